"""Faults of stores that another try does not cure, and what to do about them."""


def lasting_remedy(fault: BaseException) -> str | None:
    """Return what to do about a fault that another try does not cure, or None.

    By names and numbers, because the libraries that define them need not be installed.
    """
    if isinstance(fault, FileNotFoundError):
        return "check the address; a bucket has to be made before, with its store's tool"
    if isinstance(fault, PermissionError) or getattr(fault, "status", None) in (401, 403):
        return "check whose keys are used, and what they may do there"
    names = " ".join(one.__name__ for one in type(fault).__mro__)
    if "Credential" in names or "Authentication" in names:
        return (
            "log in as the store's library wants it (s3: `aws configure`, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY; gs: `gcloud auth application-default login`; hf: "
            "`hf auth login`)"
        )
    return None

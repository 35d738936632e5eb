"""The statistics and figures of the paper (Figure 2, Table 1) for any videos."""

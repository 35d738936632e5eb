"""What is looked at while a run goes on: see `dora.train.looks`."""

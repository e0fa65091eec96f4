"""The top floor: command line, configuration, stages of a run and its report.

Nothing is imported here, so that the command line starts without torch.
"""

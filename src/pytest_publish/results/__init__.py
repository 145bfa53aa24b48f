"""From pytest's reports to results and their JSON: no pytest, no I/O."""

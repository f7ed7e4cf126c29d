"""Many people on one machine: makes their accounts and folders, signs them in, starts their sessions and the Hub."""

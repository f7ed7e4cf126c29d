"""Many people on one machine: makes their accounts and folders, signs them in, starts their servers and the Hub."""

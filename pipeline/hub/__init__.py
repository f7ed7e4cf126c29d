"""Many people on one machine: accounts, the Hub's authenticator and spawner, and starting it all."""

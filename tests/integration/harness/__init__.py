"""What the integration tests stand on: real sshd, the built programs, peers that behave and
peers that do not."""

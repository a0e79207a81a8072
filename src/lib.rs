//! Bridges between code that writes and code that reads.

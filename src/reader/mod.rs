//! Reader: cards that are held to a reader become taps.

//! What a user of the crate sees, on real HTTP: one file for each kind of behaviour.

mod walk;

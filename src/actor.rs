//! An Actor.

use serde::Deserialize;

use crate::run::Id;

/// What an Actor is called: [`Client::actor`](crate::Client::actor).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Actor {
    /// The Actor's ID.
    pub id: Id,
    /// Its name, which is unique among those of its owner.
    #[serde(default)]
    pub name: Option<String>,
    /// The name of its owner.
    #[serde(default)]
    pub username: Option<String>,
    /// What its page is headed with.
    #[serde(default)]
    pub title: Option<String>,
}

impl Actor {
    /// An Actor of which only the ID is known, for example because its name may not be read.
    pub fn new(id: impl Into<Id>) -> Self {
        Self {
            id: id.into(),
            ..Self::default()
        }
    }
}

//! The names of Actors.

use crate::run::Id;

/// What an Actor is called: a row of the table `actors`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncActor {
    /// The Actor's ID.
    pub id: Id,
    /// Its name, which is unique among those of its owner.
    pub name: Option<String>,
    /// The name of its owner.
    pub username: Option<String>,
    /// What its page is headed with.
    pub title: Option<String>,
}

impl SyncActor {
    /// An Actor that has an ID only: one whose name nobody may see, for example.
    pub fn new(id: impl Into<Id>) -> Self {
        Self {
            id: id.into(),
            ..Self::default()
        }
    }
}

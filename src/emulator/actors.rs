//! The Actors that have the runs.

use serde::Serialize;

use super::generated;
use super::store::Store;
use crate::timestamp;

/// The owner and the name of an Actor for which none were given.
const NAME: (&str, &str) = ("janedoe", "my-actor");
/// When every Actor was made: a day before the first generated run.
const CREATED_AT: &str = "2024-12-31T00:00:00.000Z";
const MODIFIED_AT: &str = "2024-12-31T12:00:00.000Z";

/// The Actors that exist.
pub(super) struct Actors {
    /// The one that is listed.
    listed: Actor,
    /// Whether every other one is found too.
    has_others: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Actor {
    id: String,
    user_id: String,
    username: String,
    name: String,
}

/// An Actor as its own endpoint sends it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActorDetail<'a> {
    id: &'a str,
    user_id: &'a str,
    name: &'a str,
    username: &'a str,
    title: String,
    is_public: bool,
    created_at: &'a str,
    modified_at: &'a str,
    stats: ActorStats,
}

/// An Actor as the list sends it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActorItem<'a> {
    id: &'a str,
    created_at: &'a str,
    modified_at: &'a str,
    name: &'a str,
    username: &'a str,
    title: String,
    stats: ActorStats,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActorStats {
    total_runs: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_run_started_at: Option<String>,
}

impl Actors {
    /// The only Actor there is, by its ID or `username~name`; with `None`, every one.
    pub(super) fn new(only: Option<&str>, seed: u64) -> Self {
        let (username, name) = NAME;
        let unnamed = Actor {
            id: generated::actor_id(seed),
            user_id: generated::user_id(seed),
            username: username.into(),
            name: name.into(),
        };
        Self {
            listed: match only {
                Some(only) => unnamed.named(only),
                None => unnamed,
            },
            has_others: only.is_none(),
        }
    }

    pub(super) fn listed(&self) -> &Actor {
        &self.listed
    }

    /// Whether there is an Actor with this ID or `username~name`.
    pub(super) fn has(&self, requested: &str) -> bool {
        let is_other = self.has_others && !requested.is_empty();
        is_other || self.listed.is(requested)
    }

    /// The Actor with this ID or `username~name`, if there is one.
    pub(super) fn find(&self, requested: &str) -> Option<Actor> {
        let actor = || match self.listed.is(requested) {
            true => self.listed.clone(),
            false => self.listed.named(requested),
        };
        self.has(requested).then(actor)
    }
}

impl Actor {
    /// This Actor under another ID or name.
    fn named(&self, requested: &str) -> Self {
        let other = self.clone();
        match requested.split_once('~') {
            Some((username, name)) => Self {
                username: username.into(),
                name: name.into(),
                ..other
            },
            None => Self {
                id: requested.into(),
                ..other
            },
        }
    }

    fn is(&self, requested: &str) -> bool {
        let name = requested.split_once('~');
        requested == self.id || name == Some((&*self.username, &*self.name))
    }

    /// This Actor as its own endpoint sends it.
    pub(super) fn detail(&self, store: &Store) -> String {
        to_json(&ActorDetail {
            id: &self.id,
            user_id: &self.user_id,
            name: &self.name,
            username: &self.username,
            title: self.title(),
            is_public: false,
            created_at: CREATED_AT,
            modified_at: MODIFIED_AT,
            stats: ActorStats::of(store),
        })
    }

    /// This Actor as the list sends it.
    pub(super) fn item(&self, store: &Store) -> String {
        to_json(&ActorItem {
            id: &self.id,
            created_at: CREATED_AT,
            modified_at: MODIFIED_AT,
            name: &self.name,
            username: &self.username,
            title: self.title(),
            stats: ActorStats::of(store),
        })
    }

    /// `my-actor` is entitled `My Actor`.
    fn title(&self) -> String {
        let capitalized = |word: &str| {
            let mut letters = word.chars();
            let first = letters.next().into_iter().flat_map(char::to_uppercase);
            first.chain(letters).collect()
        };
        let words: Vec<String> = self.name.split('-').map(capitalized).collect();
        words.join(" ")
    }
}

impl ActorStats {
    fn of(store: &Store) -> Self {
        // Rows without a start come last.
        let last = store.first_at(|_| false).checked_sub(1);
        let start = last.and_then(|place| store.started_at(place));
        Self {
            total_runs: store.len(),
            last_run_started_at: start.map(timestamp::to_query),
        }
    }
}

fn to_json(value: &impl Serialize) -> String {
    // Strings and numbers can always be written.
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_actor_is_found_by_its_id_and_its_name() {
        for (only, id, name) in [
            ("joe~two-words", &*generated::actor_id(3), "joe~two-words"),
            ("anId", "anId", "janedoe~my-actor"),
        ] {
            let actors = Actors::new(Some(only), 3);
            for requested in [id, name] {
                assert_eq!(actors.find(requested).as_ref(), Some(actors.listed()));
            }
            for other in ["joe~other", "other~two-words", "joe", "otherId", ""] {
                assert_eq!(actors.find(other), None, "{only}: {other}");
            }
        }
        let title = |name| Actors::new(Some(name), 0).listed().title();
        assert_eq!(title("joe~two-words"), "Two Words");
        assert_eq!(title("joe~-x"), " X");
    }

    #[test]
    fn without_a_choice_every_actor_is_found() {
        let actors = Actors::new(None, 3);
        let named = actors.find("joe~other").unwrap();
        assert_eq!((&*named.username, &*named.name), ("joe", "other"));
        assert_eq!(named.id, generated::actor_id(3));
        let by_id = actors.find("someId").unwrap();
        assert_eq!((&*by_id.id, &*by_id.name), ("someId", "my-actor"));
        assert_eq!(actors.find(&named.id).as_ref(), Some(actors.listed()));
        assert_eq!(actors.find(""), None);
    }
}

//! Paths, and who may read them.

use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper::{Method, Request};

use super::actors::Actors;
use super::response::ResponseDraft;

/// What a path leads to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Route<'a> {
    /// The runs of an Actor, a task or the account.
    Runs { takes_deployment: bool },
    /// The Actors of the account.
    Actors,
    /// One Actor, by its ID or name.
    Actor(&'a str),
}

impl<'a> Route<'a> {
    /// Where a request leads, after a check of its path, method, token and Actor.
    ///
    /// # Errors
    ///
    /// The response to a request that is refused.
    pub(super) fn of<B>(
        request: &'a Request<B>,
        actors: &Actors,
        token: &str,
    ) -> Result<Self, ResponseDraft> {
        let (route, actor) = Self::of_path(request.uri().path())
            .ok_or_else(|| ResponseDraft::error(404, "page-not-found", "There is no such page"))?;
        if request.method() != Method::GET {
            let message = "This API end-point can only be read";
            return Err(ResponseDraft::error(405, "method-not-allowed", message));
        }
        match bearer(request.headers()) {
            None => {
                let message = "Authentication token was not provided";
                return Err(ResponseDraft::error(401, "token-not-provided", message));
            }
            Some(sent) if sent != token => {
                let message = "User was not found or authentication token is not valid";
                let api_type = "user-or-token-not-found";
                return Err(ResponseDraft::error(401, api_type, message));
            }
            Some(_) => {}
        }
        match actor {
            Some(actor) if !actors.has(actor) => Err(ResponseDraft::no_actor()),
            _ => Ok(route),
        }
    }

    /// Where a path leads, and the Actor in it.
    fn of_path(path: &'a str) -> Option<(Self, Option<&'a str>)> {
        let segments: Vec<_> = path.split('/').skip(1).collect();
        let runs = |takes_deployment| Self::Runs { takes_deployment };
        match segments.as_slice() {
            ["v2", "acts" | "actors"] => Some((Self::Actors, None)),
            ["v2", "acts" | "actors", actor] => Some((Self::Actor(actor), Some(actor))),
            ["v2", "acts" | "actors", actor, "runs"] => Some((runs(true), Some(actor))),
            ["v2", "actor-runs"] => Some((runs(true), None)),
            ["v2", "actor-tasks", _, "runs"] => Some((runs(false), None)),
            _ => None,
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}

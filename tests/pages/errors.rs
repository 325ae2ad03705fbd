use apify_runs::{Client, Error, ErrorKind, Result};

#[tokio::main]
async fn main() {
    match count().await {
        Ok(count) => println!("{count} runs"),
        Err(error) => eprintln!("{error}: {}", advice(&error)),
    }
}

async fn count() -> Result<u64> {
    Client::from_env()?.count("janedoe/my-actor").await
}

/// What to tell the person who started the program.
fn advice(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Auth => "check the token",
        ErrorKind::NotFound => "check the Actor's name",
        _ if error.is_transient() => "the service is not available: start again later",
        ErrorKind::Protocol => "the responses contradict each other: resume, or report it",
        _ => "read the message",
    }
}

#[cfg(test)]
mod tests {
    use apify_runs::emulator::{Emulator, Fault};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_kind_has_its_advice() {
        for (status, expected) in [
            (400, "read the message"),
            (401, "check the token"),
            (404, "check the Actor's name"),
            (500, "the service is not available: start again later"),
        ] {
            let builder = Emulator::builder().fault(.., Fault::status(status));
            let emulator = builder.virtual_time().start().await.unwrap();
            let error = emulator.client().count("a").await.unwrap_err();
            assert_eq!(advice(&error), expected);
        }
    }
}

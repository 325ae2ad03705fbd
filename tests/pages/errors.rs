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

/// Advice for the person who started the program.
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
    use apify_runs::RetryPolicy;
    use apify_runs::emulator::{Emulator, Fault};

    use super::*;

    #[tokio::test]
    async fn each_kind_has_its_advice() {
        let builder = Emulator::builder()
            .fault(1..=1, Fault::status(400))
            .fault(2..=2, Fault::status(401))
            .fault(3..=3, Fault::status(404))
            .fault(4.., Fault::status(500));
        let emulator = builder.start().await.unwrap();
        let client = emulator.client_builder().retry(RetryPolicy::none());
        let client = client.build().unwrap();
        for expected in [
            "read the message",
            "check the token",
            "check the Actor's name",
            "the service is not available: start again later",
        ] {
            let error = client.count("a").await.unwrap_err();
            assert_eq!(advice(&error), expected);
        }
    }
}

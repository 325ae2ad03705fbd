use apify_runs::ClientBuilder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // With its feature `native-tls`, `reqwest` uses the TLS of the operating system.
    let http = reqwest::Client::builder().build()?;
    let client = ClientBuilder::from_env()?.http_client(http).build()?;
    println!("{} runs", client.count("janedoe/my-actor").await?);
    Ok(())
}

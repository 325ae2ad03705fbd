//! The clouds that have object storage, and how a bucket of each is opened.

use std::env;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GcpSigningCredential, GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{
    BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig, StaticCredentialProvider,
};

use super::role_credentials::{NoCredentials, RoleCredentials};
use crate::error::{Error, Result};

/// For how long a request is repeated. The crate's own default, ten times, is over after a few
/// seconds, which is less than a service takes to come back; its three minutes leave somebody at
/// a terminal without a word for too long. Requests are signed once, and signatures are good
/// for 15 minutes.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
/// Enough for the time above.
const MAX_RETRIES: usize = 100;
const MAX_DELAY: Duration = Duration::from_secs(10);
/// How long one attempt to move a part may take. The crate's own default, 30 seconds, would fail
/// each part of 64 MiB on a line of less than 18 Mbit/s, again and again.
const PART_TIMEOUT: &str = "5m";

/// The variables that may hold the address of a service.
const S3_ENDPOINTS: &[&str] = &[
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS",
    "AWS_METADATA_ENDPOINT",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];
const GOOGLE_ENDPOINTS: &[&str] = &["GOOGLE_BASE_URL"];
const AZURE_ENDPOINTS: &[&str] = &[
    "AZURE_ENDPOINT",
    "AZURE_STORAGE_ENDPOINT",
    "AZURE_AUTHORITY_HOST",
    "AZURE_STORAGE_AUTHORITY_HOST",
    "AZURE_MSI_ENDPOINT",
    "AZURE_IDENTITY_ENDPOINT",
    "AZURE_FABRIC_TOKEN_SERVICE_URL",
    "AZURITE_BLOB_STORAGE_URL",
    "IDENTITY_ENDPOINT",
];

const NO_S3_CREDENTIALS: NoCredentials = NoCredentials(
    "no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine \
     a role (files in ~/.aws are not read)",
);
const NO_GOOGLE_CREDENTIALS: NoCredentials = NoCredentials(
    "no credentials for Google Cloud Storage: set GOOGLE_APPLICATION_CREDENTIALS to the key file \
     of a service account, run gcloud auth application-default login, or give the machine a \
     service account",
);
const NO_AZURE_CREDENTIALS: NoCredentials = NoCredentials(
    "no credentials for Azure: set AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or give \
     the machine an identity",
);
const NO_AZURE_ACCOUNT: NoCredentials = NoCredentials(
    "no storage account for Azure: set AZURE_STORAGE_ACCOUNT_NAME, and AZURE_STORAGE_ACCOUNT_KEY \
     or AZURE_STORAGE_SAS_TOKEN",
);

/// A cloud that has object storage.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cloud {
    S3,
    Google,
    Azure {
        /// `None`: the environment names it.
        account: Option<String>,
    },
}

/// An open bucket.
pub(super) struct Stores {
    pub(super) store: Arc<dyn ObjectStore>,
    /// The same, with more patience, for parts.
    pub(super) part_store: Arc<dyn ObjectStore>,
}

impl Cloud {
    /// Opens a bucket with the settings of the environment. No request is sent.
    pub(super) fn open(&self, bucket: &str) -> object_store::Result<Stores> {
        match self {
            Self::S3 => open_s3(bucket),
            Self::Google => open_google(bucket),
            Self::Azure { account } => open_azure(bucket, account.as_deref()),
        }
    }

    /// Checks the variables of the environment whose values errors may show.
    pub(super) fn check_environment(&self) -> Result<()> {
        let endpoints = match self {
            Self::S3 => S3_ENDPOINTS,
            Self::Google => GOOGLE_ENDPOINTS,
            Self::Azure { .. } => AZURE_ENDPOINTS,
        };
        let has_secret = |url: &str| url.contains('@') || url.contains("sig=");
        for name in endpoints {
            if env::var(name).is_ok_and(|url| has_secret(&url)) {
                let expected = "it must not have a user, a password or a signature in it";
                return Err(Error::config(name, "(not shown)", expected));
            }
        }
        const KEY: &str = "GOOGLE_SERVICE_ACCOUNT_KEY";
        let is_key = |text: String| text.trim_start().starts_with('{');
        if *self == Self::Google && env::var(KEY).is_ok_and(|text| !is_key(text)) {
            let expected = "it must be the JSON of a service account's key";
            return Err(Error::config(KEY, "(not shown)", expected));
        }
        Ok(())
    }
}

fn open_s3(bucket: &str) -> object_store::Result<Stores> {
    use AmazonS3ConfigKey as Key;
    let builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
    let mut builder = builder.with_retry(retry_config());
    let has = |key| builder.get_config_value(&key).is_some();
    let has_credentials = has(Key::AccessKeyId)
        || has(Key::SecretAccessKey)
        || has(Key::WebIdentityTokenFile) && has(Key::RoleArn)
        || has(Key::ContainerCredentialsRelativeUri)
        || has(Key::ContainerCredentialsFullUri) && has(Key::ContainerAuthorizationTokenFile);
    if !has_credentials {
        let store = builder.clone().build()?;
        let role = RoleCredentials::new(store.credentials(), NO_S3_CREDENTIALS);
        builder = builder.with_credentials(role);
    }
    let key = Key::Client(ClientConfigKey::Timeout);
    let patient = match env::var_os("AWS_TIMEOUT") {
        Some(_) => builder.clone(),
        None => builder.clone().with_config(key, PART_TIMEOUT),
    };
    Ok(Stores {
        store: Arc::new(builder.build()?),
        part_store: Arc::new(patient.build()?),
    })
}

fn open_google(bucket: &str) -> object_store::Result<Stores> {
    use GoogleConfigKey as Key;
    // Nothing is signed: without these, each store would have a client for credentials to sign with.
    let signing = StaticCredentialProvider::new(GcpSigningCredential {
        email: String::new(),
        private_key: None,
    });
    let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket);
    let builder = builder.with_signing_credentials(Arc::new(signing));
    let mut builder = builder.with_retry(retry_config());
    let keys = [
        Key::ServiceAccount,
        Key::ServiceAccountKey,
        Key::ApplicationCredentials,
        Key::BearerToken,
    ];
    let has = |key| builder.get_config_value(key).is_some();
    if !keys.iter().any(has) && !has_gcloud_login() {
        let store = builder.clone().build()?;
        let role = RoleCredentials::new(store.credentials(), NO_GOOGLE_CREDENTIALS);
        builder = builder.with_credentials(role);
    }
    let key = Key::Client(ClientConfigKey::Timeout);
    let patient = match env::var_os("GOOGLE_TIMEOUT") {
        Some(_) => builder.clone(),
        None => builder.clone().with_config(key, PART_TIMEOUT),
    };
    Ok(Stores {
        store: Arc::new(builder.build()?),
        part_store: Arc::new(patient.build()?),
    })
}

/// Whether `gcloud auth application-default login` has left its file where the builder finds it.
fn has_gcloud_login() -> bool {
    let (home, file) = match cfg!(windows) {
        true => ("APPDATA", "gcloud/application_default_credentials.json"),
        false => (
            "HOME",
            ".config/gcloud/application_default_credentials.json",
        ),
    };
    env::var_os(home).is_some_and(|home| Path::new(&home).join(file).exists())
}

fn open_azure(container: &str, account: Option<&str>) -> object_store::Result<Stores> {
    use AzureConfigKey as Key;
    let builder = MicrosoftAzureBuilder::from_env().with_container_name(container);
    let mut builder = builder.with_retry(retry_config());
    if let Some(account) = account {
        builder = builder.with_account(account);
    }
    let keys = [
        Key::AccessKey,
        Key::ClientSecret,
        Key::CredentialType,
        Key::FabricTokenServiceUrl,
        Key::FederatedTokenFile,
        Key::SasKey,
        Key::Token,
    ];
    let has = |key| builder.get_config_value(key).is_some();
    let has_account = has(&Key::AccountName);
    let uses_cli = env::var_os("AZURE_USE_AZURE_CLI").is_some();
    let build = |builder: MicrosoftAzureBuilder| {
        // An emulator has an account of its own.
        builder.build().map_err(|error| match has_account {
            true => error,
            false => NO_AZURE_ACCOUNT.into(),
        })
    };
    if !keys.iter().any(has) && !uses_cli {
        let store = build(builder.clone())?;
        let role = RoleCredentials::new(store.credentials(), NO_AZURE_CREDENTIALS);
        builder = builder.with_credentials(role);
    }
    let key = Key::Client(ClientConfigKey::Timeout);
    let patient = match env::var_os("AZURE_TIMEOUT") {
        Some(_) => builder.clone(),
        None => builder.clone().with_config(key, PART_TIMEOUT),
    };
    Ok(Stores {
        store: Arc::new(build(builder)?),
        part_store: Arc::new(build(patient)?),
    })
}

fn retry_config() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            max_backoff: MAX_DELAY,
            base: 3.0,
            ..BackoffConfig::default()
        },
        max_retries: MAX_RETRIES,
        retry_timeout: RETRY_TIMEOUT,
    }
}

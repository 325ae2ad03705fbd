//! Credentials of the role that a machine has.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use object_store::CredentialProvider;
use tokio::time::timeout;

/// How long the first response of a metadata service may take. Most machines have none.
const FIRST_RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Credentials from the machine's metadata service.
///
/// If the first request fails, there are none. Later ones are repeated as long as any other.
#[derive(Debug)]
pub(super) struct RoleCredentials<C> {
    provider: Arc<dyn CredentialProvider<Credential = C>>,
    missing: NoCredentials,
    has_responded: AtomicBool,
}

impl<C> RoleCredentials<C> {
    pub(super) fn new(
        provider: &Arc<dyn CredentialProvider<Credential = C>>,
        missing: NoCredentials,
    ) -> Arc<Self> {
        Arc::new(Self {
            provider: Arc::clone(provider),
            missing,
            has_responded: AtomicBool::new(false),
        })
    }
}

#[async_trait]
impl<C: fmt::Debug + Send + Sync> CredentialProvider for RoleCredentials<C> {
    type Credential = C;

    async fn get_credential(&self) -> object_store::Result<Arc<C>> {
        if self.has_responded.load(Ordering::Relaxed) {
            return self.provider.get_credential().await;
        }
        match timeout(FIRST_RESPONSE_TIMEOUT, self.provider.get_credential()).await {
            Ok(Ok(credential)) => {
                self.has_responded.store(true, Ordering::Relaxed);
                Ok(credential)
            }
            Ok(Err(_)) | Err(_) => Err(self.missing.into()),
        }
    }
}

/// What is missing in the environment, and what to set.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoCredentials(pub(super) &'static str);

impl fmt::Display for NoCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for NoCredentials {}

impl From<NoCredentials> for object_store::Error {
    fn from(missing: NoCredentials) -> Self {
        Self::Generic {
            store: "credentials",
            source: Box::new(missing),
        }
    }
}

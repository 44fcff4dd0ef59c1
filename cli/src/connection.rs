//! The client of a command: options go before the environment, and that before the profile.

use std::env;
use std::fs;
use std::path::Path;

use cspark_batches::{Client, ClientBuilder};

use crate::cli::Global;
use crate::failure::Failure;
use crate::profile::Profile;

/// The variables of which one chooses the credentials.
const CREDENTIALS: [&str; 5] = [
    "CSPARK_API_KEY",
    "CSPARK_BEARER_TOKEN",
    "CSPARK_CLIENT_ID",
    "CSPARK_CLIENT_SECRET",
    "CSPARK_OAUTH_PATH",
];

/// Adds the variables in `.env`, in this directory or one above it, to those of the environment,
/// which go before them.
pub(crate) fn load_dotenv() -> Result<(), Failure> {
    match dotenvy::dotenv() {
        Ok(_) => Ok(()),
        Err(error) if error.not_found() => Ok(()),
        // The text of the line stays out of the message: it may be a secret.
        Err(dotenvy::Error::LineParse(..)) => Err(Failure::usage(
            "the file .env has a line that is not NAME=VALUE",
        )),
        Err(error) => Err(Failure::usage(format!(
            "cannot read the file .env: {error}"
        ))),
    }
}

impl Global {
    /// Connects to the service that the options, the environment and the profile name.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Ok(self.client_builder()?.build()?)
    }

    /// Whether an option or a variable says which service is meant.
    pub(crate) fn names_a_service(&self) -> bool {
        let options = [&self.base_url, &self.env, &self.profile];
        options.into_iter().any(Option::is_some) || is_set("CSPARK_BASE_URL")
    }

    /// The same, for a command that sets more.
    pub(crate) fn client_builder(&self) -> Result<ClientBuilder, Failure> {
        let profile = Profile::load(self.profile.as_deref())?;
        let mut builder = Client::builder()
            .fill_from_env()
            .user_agent(concat!("cspark-batch/", env!("CARGO_PKG_VERSION")));

        let has_place = self.base_url.is_some() || self.env.is_some() || is_set("CSPARK_BASE_URL");
        let (base_url, env) = match has_place {
            true => (self.base_url.as_ref(), self.env.as_ref()),
            false => (profile.base_url.as_ref(), profile.env.as_ref()),
        };
        if let Some(url) = base_url {
            builder = builder.base_url(url);
        }
        if let Some(env) = env {
            builder = builder.env(env);
        }
        let tenant = self.tenant.as_ref();
        if let Some(tenant) = tenant.or(profile.tenant.as_ref().filter(|_| !has_place)) {
            builder = builder.tenant(tenant);
        }

        if let Some(path) = &self.api_key_file {
            builder = builder.api_key(read_key(path)?);
        } else if !CREDENTIALS.into_iter().any(is_set) {
            if let Some(path) = &profile.api_key_file {
                builder = builder.api_key(read_key(path)?);
            } else if let Some(path) = &profile.oauth_file {
                builder = builder.oauth_file(path);
            }
        }
        Ok(builder)
    }
}

fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty())
}

fn read_key(path: &Path) -> Result<String, Failure> {
    let key = fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!(
            "cannot read the API key from {}: {error}",
            path.display()
        ))
    })?;
    match key.trim() {
        "" => Err(Failure::usage(format!(
            "the API key file {} is empty",
            path.display()
        ))),
        key => Ok(key.to_owned()),
    }
}

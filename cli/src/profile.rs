//! The profile file: settings that a person would otherwise repeat in each command. It has no
//! secrets, only the names of files that do.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use serde::Deserialize;

use crate::failure::Failure;

/// The name of the section that is used unless another one is asked for.
const DEFAULT: &str = "default";

/// One section of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub(crate) base_url: Option<String>,
    pub(crate) env: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) api_key_file: Option<PathBuf>,
    pub(crate) oauth_file: Option<PathBuf>,
}

/// Where the profile file is on this platform: `~/.config/cspark-batch/profiles.toml` on Linux.
/// `None` if the user has no home directory.
pub(crate) fn path() -> Option<PathBuf> {
    let directories = ProjectDirs::from("", "", "cspark-batch")?;
    Some(directories.config_dir().join("profiles.toml"))
}

impl Profile {
    /// Reads a section; an empty one if none is asked for and there is no default.
    pub(crate) fn load(name: Option<&str>) -> Result<Self, Failure> {
        match path() {
            Some(path) => Self::load_from(&path, name),
            None if name.is_none() => Ok(Self::default()),
            None => Err(Failure::usage(
                "there is no profile file, since there is no home directory",
            )),
        }
    }

    fn load_from(path: &Path, name: Option<&str>) -> Result<Self, Failure> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && name.is_none() => {
                return Ok(Self::default());
            }
            Err(error) => {
                return Err(Failure::usage(format!(
                    "cannot read the profile file {}: {error}",
                    path.display()
                )));
            }
        };
        Self::parse(&text, name)
            .map_err(|why| Failure::usage(format!("the profile file {}: {why}", path.display())))
    }

    fn parse(text: &str, name: Option<&str>) -> Result<Self, String> {
        let mut profiles: BTreeMap<String, Self> = toml::from_str(text)
            // The message alone: the rest would show a line of the file, which may be a secret that
            // somebody put there.
            .map_err(|error: toml::de::Error| error.message().to_owned())?;
        match (profiles.remove(name.unwrap_or(DEFAULT)), name) {
            (Some(profile), _) => Ok(profile),
            (None, None) => Ok(Self::default()),
            (None, Some(name)) => {
                let known: Vec<_> = profiles.into_keys().collect();
                Err(format!(
                    "it has no section [{name}]; there is {}",
                    if known.is_empty() {
                        "none".to_owned()
                    } else {
                        known.join(", ")
                    }
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#"
        [default]
        base_url = "https://excel.a.coherent.global/b"
        [other]
        env = "uat.us"
        tenant = "acme"
    "#;

    #[test]
    fn a_section_is_chosen_by_its_name() {
        let default = Profile::parse(TWO, None).unwrap();
        assert_eq!(
            default.base_url.as_deref(),
            Some("https://excel.a.coherent.global/b")
        );
        let other = Profile::parse(TWO, Some("other")).unwrap();
        assert_eq!(
            (other.env.as_deref(), other.tenant.as_deref()),
            (Some("uat.us"), Some("acme"))
        );
        assert_eq!(Profile::parse("", None), Ok(Profile::default()));
        assert_eq!(
            Profile::parse(TWO, Some("third")).unwrap_err(),
            "it has no section [third]; there is default, other"
        );
    }

    #[test]
    fn the_profile_of_the_readme_is_one() {
        let readme = include_str!("../../README.md");
        let (_, toml) = readme.split_once("```toml\n").unwrap();
        let (toml, _) = toml.split_once("```").unwrap();
        let profile = Profile::parse(toml, None).unwrap();
        assert!(profile.base_url.is_some() && profile.api_key_file.is_some());
    }

    #[test]
    fn a_key_in_the_file_is_refused_and_not_shown() {
        let error = Profile::parse("[default]\napi_key = \"s3cret\"", None).unwrap_err();
        assert!(error.contains("unknown field `api_key`"), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
        let error = Profile::parse("[default]\nbase_url = s3cret", None).unwrap_err();
        assert!(!error.contains("s3cret"), "{error}");
    }
}

//! The command line as a whole: the options that all commands share, and the commands.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser};

use crate::commands::Command;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Run files of records through Coherent Spark services, and see what runs in a tenant.
#[derive(Debug, Parser)]
#[command(
    name = "cspark-batch",
    version,
    styles = STYLES,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Credentials come from the environment or from files, never from the command \
        line: CSPARK_API_KEY, CSPARK_BEARER_TOKEN, CSPARK_CLIENT_ID with CSPARK_CLIENT_SECRET, or \
        CSPARK_OAUTH_PATH. A file `.env` with lines NAME=VALUE, in this directory or above it, adds \
        to the environment.\n\n\
        Settings that repeat go into a profile file: ~/.config/cspark-batch/profiles.toml on Linux, \
        ~/Library/Application Support/cspark-batch/profiles.toml on macOS, and \
        %APPDATA%\\cspark-batch\\config\\profiles.toml on Windows. A section has any of base_url, \
        env, tenant, api_key_file and oauth_file. It is no place for a secret: the last two are \
        names of files.\n\n  \
        [default]\n  \
        base_url = \"https://excel.my-env.coherent.global/my-tenant\"\n  \
        api_key_file = \"/home/me/.spark-key\"\n\n\
        Options go before the environment, that before `.env`, and that before the profile.\n\n\
        Exit codes: 0 everything is done, 1 it failed or is incomplete, 2 the command line or a \
        setting is wrong, 3 records failed and --fail-on-record-errors is set."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The options of all commands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Global {
    /// URL of the service with the tenant, as https://excel.my-env.coherent.global/my-tenant
    #[arg(long, global = true, value_name = "URL", conflicts_with = "env")]
    pub(crate) base_url: Option<String>,
    /// Name of the environment, as in the URL; with --tenant
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Name of the tenant
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
    /// File that has the API key and nothing else
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// Section of the profile file to use; `default` unless set, if there is one
    #[arg(long, global = true, value_name = "NAME", env = "CSPARK_PROFILE")]
    pub(crate) profile: Option<String>,
    /// Log to stderr; -vv and -vvv show more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}

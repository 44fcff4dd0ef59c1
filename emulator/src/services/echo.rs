//! `my-folder/echo`: returns each record, digit for digit.

use schemars::JsonSchema;

use crate::Service;

/// No column is known beforehand.
#[derive(JsonSchema)]
struct Anything {}

pub(super) fn service() -> Service {
    Service::raw(|record, output| {
        for (name, value) in record.fields()? {
            output.field(&name, value)?;
        }
        Ok(())
    })
    .columns::<Anything, Anything>()
}

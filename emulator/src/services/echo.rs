//! `my-folder/echo`: gives each record back, digit for digit.

use crate::Service;

pub(super) fn service() -> Service {
    Service::raw(|record, output| {
        for (name, value) in record.fields()? {
            output.field(&name, value)?;
        }
        Ok(())
    })
}

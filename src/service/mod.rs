//! Services with types: what the generated code of a service consists of, and questions about the
//! columns of a service.
//!
//! `cspark-batches-build` generates a module with the types of one service from the document that
//! describes it; [`include_service!`](crate::include_service) includes that. Its type for the
//! service implements [`Service`], so that
//! [`run_service`](crate::Batches::run_service) runs records of the right type through the right
//! service.

mod cell;
mod column;
#[cfg(feature = "schemars")]
mod json_schema;
mod limits;
mod services;

use serde::Serialize;
use serde::Serializer;
use serde::de::{DeserializeOwned, Deserializer};

pub use self::cell::{Cell, CellError, CellValue, Scalar};
pub use self::column::{Column, ColumnKind, Columns, Differences};
pub use self::limits::OutOfRange;
#[doc(hidden)]
pub use self::limits::check_range;
pub use self::services::{Document, Services};

/// For generated code, so that it needs no dependency on serde.
#[doc(hidden)]
pub use serde;

/// A Spark service with the types of its records. Generated code implements it.
pub trait Service {
    /// One record.
    type Input: Serialize + Send + 'static;

    /// The outputs of one record.
    type Output: DeserializeOwned + Send + 'static;

    /// The service, such as `my-folder/my-service[0.4.2]`; see [`ServiceUri`](crate::ServiceUri).
    const LOCATOR: &'static str;

    /// The inputs that `Input` has.
    const INPUTS: &'static [Column];

    /// The outputs that `Output` has.
    const OUTPUTS: &'static [Column];

    /// The columns that the types have.
    #[must_use]
    fn columns() -> Columns {
        Columns::new(Self::INPUTS.to_vec(), Self::OUTPUTS.to_vec())
    }

    /// The [fingerprint](Columns::fingerprint) of the columns, for logs and for comparisons with
    /// what was deployed before.
    #[must_use]
    fn fingerprint() -> u64 {
        Self::columns().fingerprint()
    }
}

/// Includes the code that `cspark-batches-build` generated for a service in the build script.
///
/// The argument is the name of the service's module, which is the snake case of its type's name.
///
/// ```ignore
/// // `build.rs` calls `Service::new("spark/term-life.json").type_name("TermLife")`.
/// cspark_batches::include_service!("term_life");
///
/// let record = term_life::Input::new(40, 100_000.0);
/// let run = spark.batches().run_service::<TermLife>([record]).start()?;
/// ```
#[macro_export]
macro_rules! include_service {
    ($module:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $module, ".rs"));
    };
}

/// Writes integral numbers as integers, which is shorter and suits services that read integers.
#[doc(hidden)]
pub fn write_number<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match exact_integer(*number) {
        // -0.0 stays what it is.
        Some(integer) if integer != 0 || number.is_sign_positive() => {
            serializer.serialize_i64(integer)
        }
        _ => serializer.serialize_f64(*number),
    }
}

#[doc(hidden)]
pub fn write_optional_number<S: Serializer>(
    number: &Option<f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => write_number(number, serializer),
        None => serializer.serialize_none(),
    }
}

/// Reads any text into a type that is made of every text.
#[doc(hidden)]
pub fn read_text<'de, T: for<'a> From<&'a str>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    crate::raw::de::text(deserializer)
}

/// The integer that is equal to a number. Beyond 2^53 not every integer is a number.
fn exact_integer(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    #[test]
    fn integral_numbers_are_written_as_integers() {
        let written = |number: f64| {
            let mut json = Vec::new();
            let mut serializer = serde_json::Serializer::new(&mut json);
            super::write_number(&number, &mut serializer).unwrap();
            String::from_utf8(json).unwrap()
        };
        assert_eq!(written(35.0), "35");
        assert_eq!(written(-3.0), "-3");
        assert_eq!(written(0.5), "0.5");
        assert_eq!(written(-0.0), "-0.0");
        assert_eq!(written(1e300), "1e+300");
        assert_eq!(written(9_007_199_254_740_992.0), "9007199254740992");
    }
}

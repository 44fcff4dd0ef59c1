//! The service of the tests here and of those on a cluster.

use cspark_emulator::{Service, schemars};

pub(crate) const SERVICE: &str = "my-folder/box";

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[schemars(crate = "cspark_emulator::schemars")]
struct Side {
    side: f64,
}

#[derive(serde::Serialize, schemars::JsonSchema)]
#[schemars(crate = "cspark_emulator::schemars")]
struct Sizes {
    area: f64,
    volume: f64,
}

/// Computes the sizes of boxes, and refuses those with a negative side.
pub(crate) fn boxes() -> Service {
    Service::described(sizes)
}

fn sizes(side: Side) -> Result<Sizes, String> {
    let side = side.side;
    match side < 0.0 {
        true => Err("the side is negative".to_owned()),
        false => Ok(Sizes {
            area: side * side,
            volume: side * side * side,
        }),
    }
}

//! `my-folder/volume-cylinder`: from `radius` and `height` to `volume`.

use std::f64::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Service;

#[derive(Deserialize, JsonSchema)]
struct Cylinder {
    /// Radius in any unit of length
    #[schemars(example = 1.0, range(min = 0.0))]
    radius: f64,
    /// Height in the unit of the radius
    #[schemars(example = 4.2, range(min = 0.0))]
    height: f64,
}

#[derive(Serialize, JsonSchema)]
struct Volume {
    /// Volume in the third power of that unit
    volume: f64,
}

pub(super) fn service() -> Service {
    Service::described(|cylinder: Cylinder| {
        for (name, value) in [("radius", cylinder.radius), ("height", cylinder.height)] {
            if value < 0.0 {
                return Err(format!("{name} must not be negative, but is {value}"));
            }
        }
        Ok(Volume {
            volume: PI * cylinder.radius * cylinder.radius * cylinder.height,
        })
    })
}

//! `my-folder/volume-cylinder`: from `radius` and `height` to `volume`.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::Service;

#[derive(Deserialize)]
struct Cylinder {
    radius: f64,
    height: f64,
}

#[derive(Serialize)]
struct Volume {
    volume: f64,
}

pub(super) fn service() -> Service {
    Service::new(|cylinder: Cylinder| {
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

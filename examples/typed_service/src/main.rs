//! A Spark service as a typed function: records and outputs with types that the build script
//! generates from the service's schema.
//!
//! `cargo run -p typed_service` runs policies through an emulator of the service, and shows what
//! happens when the service gains, loses and renames a column.

use std::error::Error;

use cspark_batches::Client;
use cspark_emulator::{Emulator, Service};
use serde_json::Value;

cspark_batches::include_service!("term_life");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A local stand-in for the service. For the real one: `let spark = Client::from_env()?;`
    let emulator = Emulator::start().await?;
    let spark = connect(&emulator)?;

    // `checked` applies the workbook's data validation.
    let policies: Result<Vec<_>, _> = (18..=60)
        .map(|age| {
            term_life::Input::new(age, "female", 100_000, 20)
                .smoker(age % 3 == 0)
                .checked()
        })
        .collect();
    let run = spark.batches().run_service::<TermLife>(policies?);
    let mut run = run.check_schema::<TermLife>().await?.start()?;
    while let Some(delivery) = run.next().await {
        for (policy, outcome) in delivery?.iter() {
            match outcome {
                Ok(output) => println!("{policy}: premium {}", output.premium),
                Err(error) => println!("{policy}: {error}"),
            }
        }
    }
    println!("{}\n", run.summary());

    let message = changed(|schema| {
        let mut more = schema["xlInputs"][0].clone();
        more["name"] = "occupation".into();
        if let Some(inputs) = schema["xlInputs"].as_array_mut() {
            inputs.push(more);
        }
    });
    println!("A column more: {}\n", message.await?);
    let message = changed(|schema| {
        schema["xOutput"].as_array_mut().map(Vec::pop);
    });
    println!("A column less: {}\n", message.await?);
    let message = changed(|schema| schema["xlInputs"][3]["name"] = "SumAssured".into());
    println!("A column renamed: {}", message.await?);
    Ok(())
}

fn connect(emulator: &Emulator) -> cspark_batches::Result<Client> {
    Client::builder()
        .base_url(emulator.base_url())
        .bearer_token("open")
        .build()
}

/// What a run's check says after a change of the service.
async fn changed(change: impl FnOnce(&mut Value)) -> Result<String, Box<dyn Error>> {
    let mut schema = serde_json::from_str(include_str!("../spark/term-life.json"))?;
    change(&mut schema);
    let service = Service::raw(|_, output| output.value("premium", &0.0)).schema(schema);
    let emulator = Emulator::builder()
        .service("my-folder/term-life", service)
        .start()
        .await?;
    let spark = connect(&emulator)?;
    let policy = term_life::Input::new(40, "male", 100_000, 20);
    let run = spark.batches().run_service::<TermLife>([policy]);
    Ok(match run.check_schema::<TermLife>().await {
        Ok(_) => {
            let differences = spark.services().compare::<TermLife>().await?;
            format!("the run can start. {differences}")
        }
        Err(error) => error.to_string(),
    })
}

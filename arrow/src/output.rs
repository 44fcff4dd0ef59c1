//! Deliveries to record batches.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{
    ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt64Array, new_null_array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::coalesce::BatchCoalescer;
use arrow_select::concat::concat_batches;
use cspark_batches::run::Delivery;
use serde::de::IgnoredAny;

use crate::decode::{Decoded, Decoder};
use crate::error::{Error, Result};
use crate::held::Held;
use crate::read::ReadColumns;
use crate::schema::infer;

/// So many records are held while none has an output that tells the columns.
const MOST_WAITING: u64 = 100_000;

/// What the returned batches look like, besides the outputs.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// The schema of the inputs, if they are wanted.
    pub(crate) inputs: Option<SchemaRef>,
    /// The column of record numbers.
    pub(crate) numbers: Option<String>,
    /// The column of errors.
    pub(crate) errors: Option<String>,
    pub(crate) batch_size: usize,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            inputs: None,
            numbers: None,
            errors: Some("error".to_owned()),
            batch_size: 8192,
        }
    }
}

/// Makes record batches of deliveries.
pub(crate) struct Output {
    layout: Layout,
    held: Held,
    known: Option<Known>,
    /// Deliveries before the schema is known: those without an output, with their inputs.
    waiting: Vec<(Delivery<IgnoredAny>, Vec<RecordBatch>)>,
    records_waiting: u64,
    /// What `read` has made of the delivery that is pushed next.
    columns: Option<Vec<ArrayRef>>,
}

/// What is known with the schema.
struct Known {
    decoder: Decoder,
    schema: SchemaRef,
    coalescer: BatchCoalescer,
}

impl Output {
    /// # Errors
    ///
    /// If a column would be there twice, or have a type that cannot be read.
    pub(crate) fn new(layout: Layout, outputs: Option<SchemaRef>, held: Held) -> Result<Self> {
        let known = match outputs {
            Some(outputs) => Some(Known::new(&layout, Decoder::of_some(outputs)?)?),
            None => {
                // The columns besides the outputs are known.
                layout.schema(&Schema::empty())?;
                None
            }
        };
        Ok(Self {
            layout,
            held,
            known,
            waiting: Vec::new(),
            records_waiting: 0,
            columns: None,
        })
    }

    pub(crate) fn joins_inputs(&self) -> bool {
        self.layout.inputs.is_some()
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.layout.errors.is_some()
    }

    pub(crate) fn held(&self) -> &Held {
        &self.held
    }

    /// The schema of the batches, once it is known.
    pub(crate) fn schema(&self) -> Option<&SchemaRef> {
        self.known.as_ref().map(|known| &known.schema)
    }

    /// Reads the outputs of the delivery that is pushed next.
    pub(crate) fn read(&mut self, json: &str, records: usize) -> Option<Vec<Option<IgnoredAny>>> {
        let ReadColumns { columns, rows } = self.known.as_ref()?.decoder.read(json, records)?;
        self.columns = Some(columns);
        Some(rows)
    }

    /// Takes a delivery.
    pub(crate) fn push(&mut self, delivery: Delivery<IgnoredAny>) -> Result<()> {
        let columns = self.columns.take();
        let inputs = match self.joins_inputs() {
            true => self.held.take(delivery.records()),
            false => Vec::new(),
        };
        if self.known.is_none() {
            let inferred = match delivery.outputs_json() {
                Some(json) if delivery.outcomes().iter().any(Result::is_ok) => infer(json),
                _ => None,
            };
            let Some(outputs) = inferred else {
                return self.wait(delivery, inputs);
            };
            self.know(outputs)?;
        }
        match &mut self.known {
            Some(known) => known.add(&self.layout, &delivery, &inputs, columns),
            None => Ok(()),
        }
    }

    /// Keeps a delivery without an output until the columns are known.
    fn wait(&mut self, delivery: Delivery<IgnoredAny>, inputs: Vec<RecordBatch>) -> Result<()> {
        if self.layout.errors.is_none() {
            // No columns are needed for the first error to end the run.
            errors(&self.layout, &delivery, Vec::new())?;
        }
        let records = delivery.records();
        self.records_waiting += records.end - records.start;
        self.waiting.push((delivery, inputs));
        if self.records_waiting > MOST_WAITING {
            // Nobody is to take them for a result.
            self.waiting.clear();
            return Err(Error::Schema(format!(
                "none of the first {} records has an output from which the columns could be \
                 inferred; set them with `schema`",
                self.records_waiting
            )));
        }
        Ok(())
    }

    /// Takes these for the columns of the outputs.
    fn know(&mut self, outputs: SchemaRef) -> Result<()> {
        let known = Known::new(&self.layout, Decoder::of_all(outputs))?;
        let known = self.known.insert(known);
        self.records_waiting = 0;
        for (delivery, inputs) in std::mem::take(&mut self.waiting) {
            known.add(&self.layout, &delivery, &inputs, None)?;
        }
        Ok(())
    }

    /// The next batch of the set size, if there is one.
    pub(crate) fn next(&mut self) -> Option<RecordBatch> {
        self.known.as_mut()?.coalescer.next_completed_batch()
    }

    /// All rows so far. Columns that are not known yet stay so: outputs that follow tell them.
    pub(crate) fn flush(&mut self) -> Result<Vec<RecordBatch>> {
        if let Some(known) = &mut self.known {
            return known.flush();
        }
        if self.waiting.is_empty() {
            return Ok(Vec::new());
        }
        let mut known = Known::new(&self.layout, Decoder::of_all(Arc::new(Schema::empty())))?;
        for (delivery, inputs) in &self.waiting {
            // If that fails, they all wait further, so that none is lost.
            known.add(&self.layout, delivery, inputs, None)?;
        }
        let rows = known.flush()?;
        self.waiting.clear();
        self.records_waiting = 0;
        Ok(rows)
    }

    /// No delivery follows, or none is to be mixed with those before. Batches may be smaller.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let added = match self.known.is_none() && !self.waiting.is_empty() {
            // There are no outputs from which to learn their columns.
            true => self.know(Arc::new(Schema::empty())),
            false => Ok(()),
        };
        if let Some(known) = &mut self.known {
            known.coalescer.finish_buffered_batch()?;
        }
        added
    }
}

/// The column of errors. Without a place for it, the first is an error of the run.
fn errors(
    layout: &Layout,
    delivery: &Delivery<IgnoredAny>,
    misfits: Vec<(usize, String)>,
) -> Result<ArrayRef> {
    let mut misfits = misfits.into_iter().peekable();
    let mut errors = StringBuilder::new();
    for (index, (record, outcome)) in delivery.iter().enumerate() {
        let mut why = outcome.as_ref().err().map(ToString::to_string);
        while let Some((_, misfit)) = misfits.next_if(|(misfit, _)| *misfit == index) {
            // A record that failed has no outputs that could fit.
            why.get_or_insert(misfit);
        }
        match (why, &layout.errors) {
            (Some(why), None) => return Err(Error::Record { record, why }),
            (why, _) => errors.append_option(why),
        }
    }
    Ok(Arc::new(errors.finish()))
}

impl Layout {
    /// The schema of the batches.
    fn schema(&self, outputs: &Schema) -> Result<SchemaRef> {
        let inputs = self.inputs.iter();
        let inputs = inputs.flat_map(|inputs| inputs.fields().iter());
        let mut fields: Vec<_> = inputs.map(|field| field.as_ref().clone()).collect();
        let number = |name: &String| Field::new(name, DataType::UInt64, false);
        fields.extend(self.numbers.as_ref().map(number));
        fields.extend(outputs.fields().iter().map(|field| field.as_ref().clone()));
        let error = |name: &String| Field::new(name, DataType::Utf8, true);
        fields.extend(self.errors.as_ref().map(error));
        for (place, field) in fields.iter().enumerate() {
            if fields[..place]
                .iter()
                .any(|before| before.name() == field.name())
            {
                return Err(Error::Schema(format!(
                    "the result would have column `{}` twice; rename the column of the input, the \
                     record numbers or the errors, or leave the output out of the schema",
                    field.name()
                )));
            }
        }
        Ok(Arc::new(Schema::new(fields)))
    }
}

impl Known {
    fn new(layout: &Layout, decoder: Decoder) -> Result<Self> {
        let schema = layout.schema(decoder.schema())?;
        Ok(Self {
            decoder,
            coalescer: BatchCoalescer::new(SchemaRef::clone(&schema), layout.batch_size),
            schema,
        })
    }

    /// Adds the rows of a delivery, whose outputs may have been read before.
    fn add(
        &mut self,
        layout: &Layout,
        delivery: &Delivery<IgnoredAny>,
        inputs: &[RecordBatch],
        columns: Option<Vec<ArrayRef>>,
    ) -> Result<()> {
        let numbers = delivery.records();
        let records = delivery.outcomes().len();
        if records == 0 && !numbers.is_empty() {
            let why = "a run over a table needs the records; it cannot return summaries alone";
            return Err(Error::Schema(why.to_owned()));
        }
        let failed = (delivery.failed() > 0)
            .then(|| {
                delivery
                    .outcomes()
                    .iter()
                    .map(|outcome| Some(outcome.is_err()))
            })
            .map(BooleanArray::from_iter);
        let decoded = match columns {
            Some(columns) => Decoded::whole(columns),
            None => self.decoder.decode(delivery.outputs_json(), records)?,
        };
        let decoded = match &failed {
            Some(failed) => decoded.without(failed)?,
            None => decoded,
        };

        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        if let Some(schema) = &layout.inputs {
            let inputs = concat_batches(schema, inputs)?;
            if inputs.num_rows() != records {
                let why = format!("the inputs of records {numbers:?} are not held any more");
                return Err(Error::Schema(why));
            }
            columns.extend(inputs.columns().iter().cloned());
        }
        if layout.numbers.is_some() {
            columns.push(Arc::new(UInt64Array::from_iter_values(numbers)));
        }
        columns.extend(decoded.columns);
        let errors = match failed.is_none() && decoded.misfits.is_empty() {
            true => new_null_array(&DataType::Utf8, records),
            false => errors(layout, delivery, decoded.misfits)?,
        };
        if layout.errors.is_some() {
            columns.push(errors);
        }
        // There may be no column that tells how many rows there are.
        let options = RecordBatchOptions::new().with_row_count(Some(records));
        let schema = SchemaRef::clone(&self.schema);
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        self.coalescer.push_batch(batch)?;
        Ok(())
    }

    /// All rows so far.
    fn flush(&mut self) -> Result<Vec<RecordBatch>> {
        self.coalescer.finish_buffered_batch()?;
        Ok(std::iter::from_fn(|| self.coalescer.next_completed_batch()).collect())
    }
}

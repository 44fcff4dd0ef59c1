//! The settings of a run over a table, and its start.

use std::fmt;

use arrow_schema::{Schema, SchemaRef};
use cspark_batches::run::{Checkpoint, RunBuilder, Source};
use cspark_batches::{Batches, JsonRow, ServiceUri};
use serde::de::IgnoredAny;

use crate::encode::RowEncoder;
use crate::error::{Error, Result};
use crate::held::{Held, Limit};
use crate::output::{Layout, Output};
use crate::rows::Rows;
use crate::run::TableRun;
use crate::table::Table;

/// The run underneath: rows of JSON in, and the outputs of whole chunks out.
pub type Inner = RunBuilder<JsonRow, IgnoredAny>;

/// Runs of tables; an extension of [`Batches`].
pub trait RunTable {
    /// Runs the records of a table through a batch that is created for them, and returns their
    /// outputs as a stream of record batches.
    fn run_table(
        &self,
        service: impl TryInto<ServiceUri, Error: Into<cspark_batches::Error>>,
        table: impl Into<Table>,
    ) -> TableRunBuilder;
}

impl RunTable for Batches {
    fn run_table(
        &self,
        service: impl TryInto<ServiceUri, Error: Into<cspark_batches::Error>>,
        table: impl Into<Table>,
    ) -> TableRunBuilder {
        let service = service
            .try_into()
            .map_err(|error| Error::Spark(error.into()));
        TableRunBuilder::new(self.clone(), service, table.into())
    }
}

type SetOptions = Box<dyn FnOnce(Inner) -> Inner + Send>;

/// A run over a table that is not started yet: set options, then [`start`](Self::start) it.
#[must_use = "nothing runs before it is started"]
pub struct TableRunBuilder {
    batches: Batches,
    service: Result<ServiceUri>,
    table: Table,
    send: Option<Vec<String>>,
    schema: Option<SchemaRef>,
    options: Vec<SetOptions>,
    layout: Layout,
}

impl TableRunBuilder {
    fn new(batches: Batches, service: Result<ServiceUri>, table: Table) -> Self {
        Self {
            batches,
            service,
            table,
            send: None,
            schema: None,
            options: Vec::new(),
            layout: Layout::default(),
        }
    }

    /// Sets anything about the run: its memory, chunks, order, limits, and the options of its batch.
    ///
    /// ```no_run
    /// use cspark_batches_arrow::RunTable as _;
    ///
    /// # fn example(spark: cspark_batches::Client, policies: cspark_batches_arrow::Table) {
    /// let run = spark.batches().run_table("my-folder/term-life", policies).options(|run| {
    ///     let run = run.in_input_order().chunk_size(500).memory(64 << 20);
    ///     run.batch_options(|create| create.max_runners(200))
    /// });
    /// # let _ = run;
    /// # }
    /// ```
    ///
    /// It also [resumes](RunBuilder::resume) a run from a [checkpoint](TableRun::checkpoint).
    pub fn options(mut self, set: impl FnOnce(Inner) -> Inner + Send + 'static) -> Self {
        self.options.push(Box::new(set));
        self
    }

    /// Sends only these columns; all unless set. The others can be in the output [with the
    /// inputs](Self::with_inputs).
    pub fn send<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.send = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the columns of the outputs, and asks the service for no others. See [`output_schema`]
    /// for the schema of a service.
    ///
    /// Without it, the types are those of the first chunk with an output, by this rule: a column of
    /// numbers is `Float64`, of booleans `Boolean`, of tables a list of structs, and everything
    /// else is `Utf8`, also a column without any value, and tables of which one is of another kind
    /// or which do not tell the types of all their columns. From then on each output is held to
    /// them: whatever is of another type, or has a name that was not there, also within a table, is
    /// an error of its record, unless it is null. If more than 100,000 records come back before the
    /// first output, the run ends with an error, and has to be started anew with a schema.
    ///
    /// A column of type `Utf8` also takes numbers, booleans, and tables as the text of their JSON.
    /// A column of numbers takes no text but the empty one, which is an empty cell. One of integers
    /// takes 1.0, but not 1.5; decimals are rounded to their scale, halves away from zero. All
    /// columns are nullable, whatever the schema says.
    ///
    /// [`output_schema`]: crate::output_schema
    pub fn schema(mut self, schema: impl Into<SchemaRef>) -> Self {
        let schema: SchemaRef = schema.into();
        let fields = schema.fields().iter();
        let fields: Vec<_> = fields
            .map(|field| field.as_ref().clone().with_nullable(true))
            .collect();
        self.schema = Some(Schema::new(fields).into());
        self
    }

    /// Puts the columns of the input before those of the outputs.
    ///
    /// A batch of the input is held in memory, all columns of it, while a record of it has no
    /// outcome. The input is read no further while these batches take as much as the [memory
    /// budget](RunBuilder::memory) of the run, which is for the JSON of records and results, so a
    /// run with inputs takes up to twice its budget and a batch.
    pub fn with_inputs(mut self) -> Self {
        self.layout.inputs = Some(SchemaRef::clone(&self.table.schema));
        self
    }

    /// Adds a column (`UInt64`) with the number of each record, from 0 over the whole input.
    pub fn with_record_numbers(mut self, column: impl Into<String>) -> Self {
        self.layout.numbers = Some(column.into());
        self
    }

    /// Names the last column, which has the errors of the records (`Utf8`); `error` unless set. It
    /// is null for a record all of whose outputs are there.
    ///
    /// A record has an error if the service returned one or no output, or if a cell is not of its
    /// column's type (`#DIV/0!` in a column of numbers) or has no column. In the last cases, its
    /// other outputs are there.
    pub fn error_column(mut self, column: impl Into<String>) -> Self {
        self.layout.errors = Some(column.into());
        self
    }

    /// Leaves out the column of errors. The first record with an error then ends the run, with
    /// [`Error::Record`] after the rows before its chunk, and cancels the batch.
    pub fn without_errors(mut self) -> Self {
        self.layout.errors = None;
        self
    }

    /// Sets the number of rows of the record batches that are returned, at least 1; the last one may
    /// have fewer. 8192 unless set.
    pub fn batch_size(mut self, rows: usize) -> Self {
        self.layout.batch_size = rows.max(1);
        self
    }

    /// Starts the run, in a task of its own on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`Error::Unsendable`] if a column has a type that cannot be sent, [`Error::Schema`] if a
    /// column is missing, would be there twice, or has a type that cannot be read from JSON, and the
    /// errors of [`RunBuilder::start`]. Nothing is requested before.
    pub fn start(self) -> Result<TableRun> {
        let Self {
            batches,
            service,
            table,
            send,
            schema,
            options,
            layout,
        } = self;
        let encoder = RowEncoder::new(&table.schema, send.as_deref())?;
        let wanted = schema.as_ref().map(|schema| {
            let fields = schema.fields().iter();
            fields.map(|field| field.name().clone()).collect::<Vec<_>>()
        });
        let held = Held::default();
        let output = Output::new(layout, schema, held.clone())?;
        let names = encoder.names();
        let rows = Rows::new(table.batches, encoder, held.clone(), output.joins_inputs());
        let input_error = rows.error();
        let mut run: Inner = batches.run(service?, Source::json_rows(names, rows));
        run = run.keep_outputs();
        if let Some(records) = table.records {
            run = run.expect_records(records);
        }
        if output.has_errors() {
            run = run.deliver_bad_records();
        }
        if output.joins_inputs() {
            // A resumed run may get results before it reads their inputs: it has to read them first.
            run = run.keep_inputs();
        }
        if let Some(wanted) = wanted {
            run = run.batch_options(|create| create.selected_outputs(wanted));
        }
        for set in options {
            run = set(run);
        }
        let done = run.checkpoint().map(Checkpoint::first_open_record);
        let limit = Limit {
            bytes: run.memory_budget(),
            records: run.max_chunk_records(),
        };
        let first = run.first_record();
        held.begin(first, done.unwrap_or(first), limit);
        Ok(TableRun::new(
            run.start()?,
            output,
            input_error,
            done.is_some(),
        ))
    }
}

impl fmt::Debug for TableRunBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableRunBuilder")
            .field("service", &self.service)
            .field("table", &self.table)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

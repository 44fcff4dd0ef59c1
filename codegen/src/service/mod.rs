//! From the document of a Spark service to a module with its types.
//!
//! 1. [`document`]: read the document, of whichever kind, into a [`Model`].
//! 2. [`Service::source`]: apply the settings.
//! 3. [`naming`]: name the fields and types.
//! 4. [`code`]: turn the model into JSON Schemas, let typify make types of those, and complete them
//!    with constructors, documentation and the implementation of `Service`.

mod code;
mod document;
mod json_schema;
mod model;
mod naming;
mod schema;
mod validation;

use std::io;
use std::path::{Path, PathBuf};

use self::model::{Column, Content, Model};
use crate::diagnostics::Diagnostics;
use crate::output;

pub use self::model::{CellType, DocumentKind};

/// A Spark service, whose types are generated from its document.
///
/// The document is a file in your repository, so that builds need no network. Three kinds are read:
///
/// - the service's schema, as `spark.services().schema(service)` of `cspark-batches` returns it;
/// - the service's Swagger 2 document, as `spark.services().swagger(service)` returns it;
/// - two JSON Schemas of one record, as `{"inputs": {..}, "outputs": {..}}`.
///
/// ```no_run
/// // build.rs
/// # fn main() -> std::io::Result<()> {
/// cspark_batches_build::Service::new("spark/term-life.json")
///     .type_name("TermLife")
///     .required(["age", "sum_assured"])
///     .write_to_out_dir()
/// # }
/// ```
///
/// `cspark_batches::include_service!("term_life")` includes the generated code, which is a module
/// of that name and the type `TermLife`.
///
/// # Generated types
///
/// - `Input` has a field for each input. [Required](Self::required) ones are arguments of
///   `Input::new`. The others start with the workbook's own value, and have a method to set them;
///   without a value in the document, they start as `None` and are sent as null.
/// - `Output` has a field for each output, of type `Cell`: a value, nothing (which includes outputs
///   that a batch does not select), or whatever else is there, such as an Excel error.
/// - Numbers are `f64`, because a workbook has no other numbers: what is an integer in a Swagger
///   document can have a fraction after the next upload. [`column`](Self::column) overrides that.
/// - A list of allowed values becomes an enum with a variant for unknown values. `Input::checked`
///   refuses those, and numbers out of their range.
/// - A table becomes a `Vec` of a struct for its rows.
///
/// Fields have the column's name in snake case. Characters that Rust does not allow separate words,
/// keywords get an underscore at the end, digits at the start an `x` before them, and a column
/// without letters and digits is `column_3`, by its position. If an earlier column has the same
/// name, `_2` is added, or the next free number.
#[derive(Clone, Debug)]
pub struct Service {
    document: PathBuf,
    settings: Settings,
}

#[derive(Clone, Debug, Default)]
struct Settings {
    type_name: Option<String>,
    locator: Option<String>,
    latest: bool,
    required: Vec<String>,
    cell_types: Vec<(String, CellType)>,
    inputs: Option<Vec<String>>,
    outputs: Option<Vec<String>>,
}

impl Service {
    /// A service with its document in a file, relative to the package's directory.
    pub fn new(document: impl Into<PathBuf>) -> Self {
        Self {
            document: document.into(),
            settings: Settings::default(),
        }
    }

    /// The name of the type that stands for the service. Its snake case names the module and the
    /// file. The service's own name in camel case unless set.
    #[must_use]
    pub fn type_name(mut self, name: impl Into<String>) -> Self {
        self.settings.type_name = Some(name.into());
        self
    }

    /// Runs this service, such as `folder/service` or `folder/service[0.4.2]`, instead of the
    /// version that the document names.
    #[must_use]
    pub fn locator(mut self, locator: impl Into<String>) -> Self {
        self.settings.locator = Some(locator.into());
        self
    }

    /// Runs the latest version of the service instead of the version that the document names.
    #[must_use]
    pub fn latest(mut self) -> Self {
        self.settings.latest = true;
        self
    }

    /// Inputs that `Input::new` takes as arguments, in the order of the document. The `required`
    /// properties of a JSON Schema unless set.
    #[must_use]
    pub fn required<C: Into<String>>(mut self, inputs: impl IntoIterator<Item = C>) -> Self {
        self.settings
            .required
            .extend(inputs.into_iter().map(Into::into));
        self
    }

    /// The type of the cells in a column, be it an input or an output.
    #[must_use]
    pub fn column(mut self, name: impl Into<String>, cells: CellType) -> Self {
        self.settings.cell_types.push((name.into(), cells));
        self
    }

    /// Only these inputs. The service uses the workbook's values for those that are not sent.
    #[must_use]
    pub fn inputs<C: Into<String>>(mut self, names: impl IntoIterator<Item = C>) -> Self {
        self.settings.inputs = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Only these outputs.
    #[must_use]
    pub fn outputs<C: Into<String>>(mut self, names: impl IntoIterator<Item = C>) -> Self {
        self.settings.outputs = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Writes the generated code to a file in `OUT_DIR`, for `cspark_batches::include_service!`.
    ///
    /// Reports mistakes in the document and the settings to cargo, which then fails the build.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or written, or if `OUT_DIR` is not set.
    pub fn write_to_out_dir(&self) -> io::Result<()> {
        let text = output::read(&self.document)?;
        let generated = self.generate(&text);
        let name = generated.as_ref().map_or("", |it| it.module.as_str());
        let file_name = format!("{name}.rs");
        output::write(&self.document, &file_name, generated.map(|it| it.source))
    }

    /// Generates the code from the text of the document, without reading the file.
    ///
    /// # Errors
    ///
    /// If the text is not such a document, or if a setting does not fit it.
    pub fn generate(&self, document: &str) -> Result<Generated, Diagnostics> {
        let mut model = document::read(document).map_err(|it| it.in_text(document))?;
        self.settings
            .apply(&mut model)
            .map_err(|it| it.in_text(document))?;
        let locator = self.settings.locator(&model)?;
        let type_name = match (&self.settings.type_name, &model.service) {
            (Some(name), _) => name.clone(),
            (None, Some(service)) => naming::Names::default().type_name(service),
            (None, None) => "Service".to_owned(),
        };
        if syn::parse_str::<syn::Ident>(&type_name).is_err() {
            let message = format!("`{type_name}` is not the name of a Rust type; use `type_name`");
            return Err(Diagnostics::on_line(1, message));
        }
        let module = naming::module(&type_name);
        let kind = model.kind;
        let source = code::source(
            model,
            &code::Target {
                document: file_name(&self.document),
                module: &module,
                type_name: &type_name,
                locator: &locator,
            },
        )
        .map_err(|it| it.in_text(document))?;
        Ok(Generated {
            source,
            module,
            kind,
        })
    }
}

/// The code for a service.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Generated {
    /// The Rust source.
    pub source: String,
    /// The name of the module in the source.
    pub module: String,
    /// The kind that the document was found to be.
    pub kind: DocumentKind,
}

fn file_name(document: &Path) -> &str {
    let name = document.file_name().and_then(|name| name.to_str());
    name.unwrap_or("a document")
}

impl Settings {
    fn apply(&self, model: &mut Model) -> Result<(), Diagnostics> {
        let mut diagnostics = Diagnostics::default();
        let mut known = |names: &[String], columns: &[&Column], what: &str| {
            for name in names {
                if columns.iter().any(|column| column.name == *name) {
                    continue;
                }
                let all: Vec<&str> = columns.iter().map(|it| it.name.as_str()).collect();
                let message = match nearest(name, &all) {
                    Some(near) => format!("there is no {what} `{name}`; did you mean `{near}`?"),
                    None => format!("there is no {what} `{name}`, which the build script names"),
                };
                diagnostics.add(&[], message);
            }
        };
        let inputs: Vec<&Column> = model.inputs.iter().collect();
        let outputs: Vec<&Column> = model.outputs.iter().collect();
        let all = [inputs.as_slice(), outputs.as_slice()].concat();
        known(&self.required, &inputs, "input");
        known(self.inputs.as_deref().unwrap_or_default(), &inputs, "input");
        known(
            self.outputs.as_deref().unwrap_or_default(),
            &outputs,
            "output",
        );
        let typed: Vec<String> = self
            .cell_types
            .iter()
            .map(|(name, _)| name.clone())
            .collect();
        known(&typed, &all, "column");
        diagnostics.or(())?;

        if let Some(inputs) = &self.inputs {
            model.inputs.retain(|column| inputs.contains(&column.name));
        }
        if let Some(outputs) = &self.outputs {
            model
                .outputs
                .retain(|column| outputs.contains(&column.name));
        }
        for column in &mut model.inputs {
            if !self.required.is_empty() {
                column.required = self.required.contains(&column.name);
            }
        }
        for column in model.inputs.iter_mut().chain(&mut model.outputs) {
            let set = self
                .cell_types
                .iter()
                .rfind(|(name, _)| *name == column.name);
            if let Some((_, cells)) = set {
                column.content = Content::Cell(*cells);
            }
        }
        Ok(())
    }

    /// The locator of the service, with the version unless the latest is wanted.
    fn locator(&self, model: &Model) -> Result<String, Diagnostics> {
        if let Some(locator) = &self.locator {
            return Ok(locator.clone());
        }
        let (Some(folder), Some(service)) = (&model.folder, &model.service) else {
            let message = "the document does not name its folder and service; add \
                           `.locator(\"folder/service\")` in the build script";
            return Err(Diagnostics::on_line(1, message));
        };
        Ok(match &model.version {
            Some(version) if !self.latest => format!("{folder}/{service}[{version}]"),
            _ => format!("{folder}/{service}"),
        })
    }
}

/// The name that is most like the one sought, if any is.
fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let likeness = |other: &str| strsim::jaro_winkler(&name.to_lowercase(), &other.to_lowercase());
    let scored = names.iter().map(|other| (likeness(other), *other));
    let best = scored.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 > 0.8).then_some(best.1)
}

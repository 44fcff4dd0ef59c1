//! From a service's model to Rust source.

use std::collections::BTreeMap;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use schemars::schema::{InstanceType, ObjectValidation, RootSchema, Schema, SchemaObject};
use syn::visit_mut::VisitMut as _;
use syn::{Item, ItemStruct, parse_quote};
use typify::{TypeSpace, TypeSpaceImpl, TypeSpaceSettings};

use super::model::{CellType, Column, Content, Model};
use super::naming::Names;
use crate::diagnostics::Diagnostics;
use crate::docs::TidyDocs;
use crate::json::Json;
use crate::open_enum::{self, Values};

/// The format that marks the schema of an output's cell, to find its conversion.
const CELL: &str = "cell";

pub(super) struct Target<'a> {
    pub(super) document: &'a str,
    pub(super) module: &'a str,
    pub(super) type_name: &'a str,
    pub(super) locator: &'a str,
}

pub(super) fn source(model: Model, target: &Target<'_>) -> Result<String, Diagnostics> {
    let mut code = Code::new(target.type_name);
    let inputs = code.fields(&model.inputs, false)?;
    let outputs = code.fields(&model.outputs, true)?;
    code.add_struct("Input", &inputs, false);
    code.add_struct("Output", &outputs, true);
    let types = code.types(&inputs, &outputs)?;

    let Target {
        document, locator, ..
    } = target;
    let module = Ident::new(target.module, Span::call_site());
    let service = Ident::new(target.type_name, Span::call_site());
    let version = match &model.version {
        Some(version) => format!(", version {version}"),
        None => String::new(),
    };
    let module_docs = format!(
        "One record of `{locator}`, and its outputs.\n\nGenerated from `{document}`: {}{version}.",
        model.kind.phrase()
    );
    let service_docs = format!("The service `{locator}`.");
    let input_columns = columns(&inputs);
    let output_columns = columns(&outputs);
    let mut file: syn::File = parse_quote! {
        #[doc = #module_docs]
        pub mod #module {
            #(#types)*

            #[doc = #service_docs]
            #[derive(Clone, Copy, Debug)]
            pub struct #service;

            impl ::cspark_batches::service::Service for #service {
                type Input = Input;
                type Output = Output;

                const LOCATOR: &'static str = #locator;
                const INPUTS: &'static [::cspark_batches::service::Column] = &[#(#input_columns),*];
                const OUTPUTS: &'static [::cspark_batches::service::Column] =
                    &[#(#output_columns),*];
            }
        }
        #[doc(inline)]
        pub use #module::#service;
    };
    TidyDocs.visit_file_mut(&mut file);
    Ok(prettyplease::unparse(&file))
}

/// A column with its Rust names.
struct Field<'a> {
    column: &'a Column,
    name: Ident,
    content: FieldContent<'a>,
}

enum FieldContent<'a> {
    Cell(CellType),
    /// An input with a list of allowed values: the name of its enum.
    Enum(String, Values),
    /// A table: the name of its row's struct, and the fields of that.
    Rows(String, Vec<Field<'a>>),
    /// A table whose columns are not known.
    AnyRows,
}

/// The schemas from which typify makes types.
struct Code {
    types: Names,
    schemas: BTreeMap<String, Schema>,
    settings: TypeSpaceSettings,
}

impl Code {
    fn new(type_name: &str) -> Self {
        let mut settings = TypeSpaceSettings::default();
        for cell in [
            CellType::Number,
            CellType::Integer,
            CellType::Text,
            CellType::Boolean,
            CellType::Any,
        ] {
            let (plain, output) = (cell_schema(cell, false), cell_schema(cell, true));
            let path = cell_path(cell);
            let in_cell = format!("::cspark_batches::service::Cell<{path}>");
            settings.with_conversion(plain, path, NO_IMPLS);
            settings.with_conversion(output, in_cell, NO_IMPLS);
        }
        let in_cell = format!("::cspark_batches::service::Cell<{ANY_ROWS}>");
        settings.with_conversion(any_rows_schema(false), ANY_ROWS, NO_IMPLS);
        settings.with_conversion(any_rows_schema(true), in_cell, NO_IMPLS);
        Self {
            types: Names::with(&["Input", "Output", type_name]),
            schemas: BTreeMap::new(),
            settings,
        }
    }

    /// Names the columns, and adds the schemas of what they need beside the struct itself.
    fn fields<'a>(
        &mut self,
        columns: &'a [Column],
        is_output: bool,
    ) -> Result<Vec<Field<'a>>, Diagnostics> {
        // Methods of the struct.
        let mut names = match is_output {
            true => Names::default(),
            false => Names::with(&["new", "checked"]),
        };
        let mut fields = Vec::with_capacity(columns.len());
        for (n, column) in columns.iter().enumerate() {
            let name = names.field(&column.name, n + 1);
            let content = match &column.content {
                Content::Cell(CellType::Text) if !is_output && !column.values.is_empty() => {
                    self.open_enum(column)?
                }
                Content::Cell(cell) => FieldContent::Cell(*cell),
                Content::Table(columns) if columns.is_empty() => FieldContent::AnyRows,
                Content::Table(columns) => {
                    let row = self.types.type_name(&format!("{} row", column.name));
                    // Tables in the cells of tables do not occur in a workbook.
                    let fields = self.fields(columns, is_output)?;
                    self.add_struct(&row, &fields, is_output);
                    let rows = format!("::std::vec::Vec<{row}>");
                    let path = match is_output {
                        true => format!("::cspark_batches::service::Cell<{rows}>"),
                        false => rows,
                    };
                    let table = table_name(&row);
                    self.settings.with_replacement(&table, path, NO_IMPLS);
                    self.schemas.insert(table, Schema::Bool(true));
                    FieldContent::Rows(row, fields)
                }
            };
            fields.push(Field {
                column,
                name: Ident::new(&name, Span::call_site()),
                content,
            });
        }
        Ok(fields)
    }

    fn open_enum<'a>(&mut self, column: &Column) -> Result<FieldContent<'a>, Diagnostics> {
        let name = self.types.type_name(&column.name);
        let Ok(values) = Values::new(&name, column.values.clone()) else {
            // No enum has variants for such values; the documentation lists them.
            return Ok(FieldContent::Cell(CellType::Text));
        };
        self.settings.with_replacement(&name, &name, NO_IMPLS);
        self.schemas.insert(name.clone(), Schema::Bool(true));
        Ok(FieldContent::Enum(name, values))
    }

    fn add_struct(&mut self, name: &str, fields: &[Field<'_>], is_output: bool) {
        let mut object = ObjectValidation::default();
        if fields.is_empty() {
            // typify makes a map of an object that can have any properties.
            object.additional_properties = Some(Box::new(Schema::Bool(false)));
        }
        for field in fields {
            let schema = field.schema(is_output);
            object.properties.insert(field.name.to_string(), schema);
            if is_output || !field.is_optional() {
                object.required.insert(field.name.to_string());
            }
        }
        let schema = SchemaObject {
            instance_type: Some(InstanceType::Object.into()),
            object: Some(Box::new(object)),
            ..SchemaObject::default()
        };
        self.schemas.insert(name.to_owned(), schema.into());
    }

    /// The generated types, with what typify does not know.
    fn types(self, inputs: &[Field<'_>], outputs: &[Field<'_>]) -> Result<Vec<Item>, Diagnostics> {
        let mut types = TypeSpace::new(&self.settings);
        let root = RootSchema {
            definitions: self.schemas.into_iter().collect(),
            ..RootSchema::default()
        };
        types
            .add_root_schema(root)
            .map_err(|error| Diagnostics::on_line(1, error.to_string()))?;
        let file: syn::File = syn::parse2(types.to_stream())
            .map_err(|error| Diagnostics::on_line(1, error.to_string()))?;
        let mut structs: BTreeMap<String, ItemStruct> = BTreeMap::new();
        for item in file.items {
            if let Item::Struct(item) = item {
                structs.insert(item.ident.to_string(), item);
            }
        }

        let mut items = Vec::new();
        for (name, fields, is_output) in [("Input", inputs, false), ("Output", outputs, true)] {
            complete(name, fields, is_output, &mut structs, &mut items);
        }
        Ok(items)
    }
}

const NO_IMPLS: std::iter::Empty<TypeSpaceImpl> = std::iter::empty();

/// The definition that stands for a list of rows.
fn table_name(row: &str) -> String {
    format!("{row}Table")
}

fn cell_schema(cell: CellType, is_output: bool) -> SchemaObject {
    let instance_type = match cell {
        CellType::Number => Some(InstanceType::Number),
        CellType::Integer => Some(InstanceType::Integer),
        CellType::Text => Some(InstanceType::String),
        CellType::Boolean => Some(InstanceType::Boolean),
        CellType::Any => None,
    };
    let any = if cell == CellType::Any { "any" } else { "" };
    let format = if is_output { CELL } else { "" };
    let format = format!("{any}{format}");
    SchemaObject {
        instance_type: instance_type.map(Into::into),
        format: Some(format).filter(|format| !format.is_empty()),
        ..SchemaObject::default()
    }
}

/// The schema of a table whose columns are not known.
fn any_rows_schema(is_output: bool) -> SchemaObject {
    SchemaObject {
        format: Some(if is_output { "rows in a cell" } else { "rows" }.to_owned()),
        ..SchemaObject::default()
    }
}

const ANY_ROWS: &str = "::std::vec::Vec<::std::collections::HashMap<::std::string::String, \
                        ::cspark_batches::service::Scalar>>";

fn cell_path(cell: CellType) -> &'static str {
    match cell {
        CellType::Number => "f64",
        CellType::Integer => "i64",
        CellType::Text => "::std::string::String",
        CellType::Boolean => "bool",
        CellType::Any => "::cspark_batches::service::Scalar",
    }
}

impl Field<'_> {
    /// Whether an input without a value is sent as null.
    fn is_optional(&self) -> bool {
        !self.column.required && self.initial().is_none()
    }

    fn schema(&self, is_output: bool) -> Schema {
        match &self.content {
            FieldContent::Cell(cell) => cell_schema(*cell, is_output).into(),
            FieldContent::Enum(name, _) => reference(name),
            FieldContent::Rows(row, _) => reference(&table_name(row)),
            FieldContent::AnyRows => any_rows_schema(is_output).into(),
        }
    }

    /// The expression of the workbook's own value, if it is of the field's type.
    fn initial(&self) -> Option<TokenStream> {
        let value = self.column.value.as_ref()?;
        match (&self.content, value) {
            (FieldContent::Cell(CellType::Number), Json::Number(number)) => Some(quote!(#number)),
            (FieldContent::Cell(CellType::Integer), Json::Number(number)) => {
                let integer = whole(*number)?;
                Some(quote!(#integer))
            }
            (FieldContent::Cell(CellType::Text), Json::Text(text)) => {
                Some(quote!(::std::string::String::from(#text)))
            }
            (FieldContent::Cell(CellType::Boolean), Json::Bool(value)) => Some(quote!(#value)),
            (FieldContent::Cell(CellType::Any), Json::Number(number)) => {
                Some(quote!(::cspark_batches::service::Scalar::Number(#number)))
            }
            (FieldContent::Cell(CellType::Any), Json::Bool(value)) => {
                Some(quote!(::cspark_batches::service::Scalar::Boolean(#value)))
            }
            (FieldContent::Cell(CellType::Any), Json::Text(text)) => Some(quote!(
                ::cspark_batches::service::Scalar::Text(::std::string::String::from(#text))
            )),
            (FieldContent::Enum(name, _), Json::Text(text)) => {
                let name = Ident::new(name, Span::call_site());
                Some(quote!(#name::from(#text)))
            }
            _ => None,
        }
    }

    /// The type of the argument that sets the field, and the expression to set it to.
    fn argument(&self) -> (TokenStream, TokenStream) {
        let name = &self.name;
        match &self.content {
            FieldContent::Cell(CellType::Boolean) => (quote!(bool), quote!(#name)),
            FieldContent::Cell(cell) => {
                let path: TokenStream = parse_path(cell_path(*cell));
                (
                    quote!(impl ::std::convert::Into<#path>),
                    quote!(#name.into()),
                )
            }
            FieldContent::Enum(enumeration, _) => {
                let enumeration = Ident::new(enumeration, Span::call_site());
                let argument = quote!(impl ::std::convert::Into<#enumeration>);
                (argument, quote!(#name.into()))
            }
            FieldContent::Rows(row, _) => {
                let row = Ident::new(row, Span::call_site());
                (quote!(::std::vec::Vec<#row>), quote!(#name))
            }
            FieldContent::AnyRows => (parse_path(ANY_ROWS), quote!(#name)),
        }
    }

    fn docs(&self) -> String {
        let column = self.column;
        let mut lines = Vec::new();
        match &column.description {
            Some(description) => lines.push(plain(description)),
            None => lines.push(format!("The column `{}`.", code_text(&column.name))),
        }
        let mut facts = Vec::new();
        if column.description.is_some() && self.name != column.name {
            facts.push(format!("Column `{}`.", code_text(&column.name)));
        }
        if let Some(cell) = &column.cell {
            facts.push(format!("Cell `{}`.", code_text(cell)));
        }
        if let Some(format) = &column.number_format {
            facts.push(format!("Number format `{}`.", code_text(format)));
        }
        if let Some(sub_service) = &column.sub_service {
            facts.push(format!("Sub-service `{}`.", code_text(sub_service)));
        }
        match (column.range.min, column.range.max) {
            (Some(min), Some(max)) => facts.push(format!("From {min} to {max}.")),
            (Some(min), None) => facts.push(format!("At least {min}.")),
            (None, Some(max)) => facts.push(format!("At most {max}.")),
            (None, None) => {}
        }
        if !column.values.is_empty() && !matches!(self.content, FieldContent::Enum(..)) {
            let values: Vec<String> = column
                .values
                .iter()
                .map(|it| format!("`{}`", code_text(it)))
                .collect();
            facts.push(format!("One of {}.", values.join(", ")));
        }
        if let Some(value) = column.value.as_ref().filter(|it| is_scalar(it)) {
            let value = code_text(&value.to_string());
            facts.push(format!("The workbook's value is `{value}`."));
        }
        if !facts.is_empty() {
            lines.push(String::new());
            lines.push(facts.join(" "));
        }
        lines.join("\n")
    }
}

fn is_scalar(value: &Json) -> bool {
    matches!(value, Json::Number(_) | Json::Bool(_) | Json::Text(_))
}

fn whole(number: f64) -> Option<i64> {
    // Beyond that, not every integer is an `f64`.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

fn parse_path(path: &str) -> TokenStream {
    path.parse()
        .unwrap_or_else(|error| unreachable!("`{path}` is a constant of this module: {error}"))
}

fn reference(name: &str) -> Schema {
    SchemaObject::new_ref(format!("#/definitions/{name}")).into()
}

/// Text for rustdoc, without what it would take for markup.
fn plain(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.trim().chars() {
        if matches!(
            c,
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~'
        ) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    // Indented lines would become code.
    let lines: Vec<&str> = escaped.lines().map(str::trim).collect();
    lines.join("\n")
}

/// Text between backticks.
fn code_text(text: &str) -> String {
    text.replace('`', "'").replace(['\n', '\r'], " ")
}

/// Adds a struct with all that belongs to it, and the types of its fields.
fn complete(
    name: &str,
    fields: &[Field<'_>],
    is_output: bool,
    structs: &mut BTreeMap<String, ItemStruct>,
    items: &mut Vec<Item>,
) {
    let is_row = !["Input", "Output"].contains(&name);
    if let Some(mut item) = structs.remove(name) {
        finish_struct(&mut item, fields, is_output, is_row);
        items.push(Item::Struct(item));
        if name == "Input" {
            items.extend(input_impl(fields));
        }
    }
    for field in fields {
        match &field.content {
            FieldContent::Rows(row, fields) => complete(row, fields, is_output, structs, items),
            FieldContent::Enum(name, values) => {
                let docs = format!("A value of the column `{}`.", code_text(&field.column.name));
                let serde = quote!(::cspark_batches::service::serde);
                let read = quote!(::cspark_batches::service::read_text);
                items.extend(open_enum::items(name, &docs, values, &serde, &read));
            }
            FieldContent::Cell(_) | FieldContent::AnyRows => {}
        }
    }
}

/// The attributes and the order of a struct's fields.
fn finish_struct(item: &mut ItemStruct, fields: &[Field<'_>], is_output: bool, is_row: bool) {
    let docs = match (is_row, is_output) {
        (true, _) => "One row of a table.",
        (false, false) => "The inputs of one record.",
        (false, true) => "The outputs of one record.",
    };
    let serde = "::cspark_batches::service::serde";
    item.attrs = vec![parse_quote!(#[doc = #docs])];
    if is_output || is_row || fields.iter().all(|field| !field.column.required) {
        item.attrs.push(match is_output || is_row {
            true => parse_quote!(#[derive(
                Clone, Debug, Default, PartialEq,
                ::cspark_batches::service::serde::Deserialize,
                ::cspark_batches::service::serde::Serialize,
            )]),
            false => derive_input(),
        });
    } else {
        item.attrs.push(derive_input());
    }
    item.attrs.push(match is_output || is_row {
        true => parse_quote!(#[serde(crate = #serde, default)]),
        false => parse_quote!(#[serde(crate = #serde)]),
    });

    let syn::Fields::Named(named) = &mut item.fields else {
        // typify makes a unit-like struct of an object without properties.
        return;
    };
    let mut by_name: BTreeMap<String, syn::Field> = BTreeMap::new();
    for field in std::mem::take(&mut named.named) {
        let name = field.ident.as_ref().map(Ident::to_string);
        by_name.insert(name.unwrap_or_default(), field);
    }
    for field in fields {
        let Some(mut found) = by_name.remove(&field.name.to_string()) else {
            continue;
        };
        let (docs, column) = (field.docs(), &field.column.name);
        found.attrs = vec![parse_quote!(#[doc = #docs])];
        if field.name != column {
            found.attrs.push(parse_quote!(#[serde(rename = #column)]));
        }
        if !is_output {
            let number = "::cspark_batches::service::write_number";
            let optional_number = "::cspark_batches::service::write_optional_number";
            match (&field.content, field.is_optional()) {
                (FieldContent::Cell(CellType::Number), false) => {
                    found
                        .attrs
                        .push(parse_quote!(#[serde(serialize_with = #number)]));
                }
                (FieldContent::Cell(CellType::Number), true) => {
                    found
                        .attrs
                        .push(parse_quote!(#[serde(serialize_with = #optional_number, default)]));
                }
                _ => {}
            }
            if !is_row && !field.column.required && field.initial().is_some() {
                let function = format!("Input::{}", initial_name(field));
                found
                    .attrs
                    .push(parse_quote!(#[serde(default = #function)]));
            }
        }
        named.named.push(found);
    }
}

fn derive_input() -> syn::Attribute {
    parse_quote!(#[derive(
        Clone, Debug, PartialEq,
        ::cspark_batches::service::serde::Deserialize,
        ::cspark_batches::service::serde::Serialize,
    )])
}

fn initial_name(field: &Field<'_>) -> Ident {
    Ident::new(&format!("initial_{}", field.name), Span::call_site())
}

/// The constructor, the setters and the check of an input.
fn input_impl(fields: &[Field<'_>]) -> Vec<Item> {
    let mut arguments = Vec::new();
    let mut initial = Vec::new();
    let mut initial_functions = Vec::new();
    let mut setters = Vec::new();
    for field in fields {
        let name = &field.name;
        let (argument, value) = field.argument();
        if field.column.required {
            arguments.push(quote!(#name: #argument));
            initial.push(match *name == value.to_string() {
                true => quote!(#name),
                false => quote!(#name: #value),
            });
            continue;
        }
        let (value, start) = match field.initial() {
            Some(expression) => {
                let function = initial_name(field);
                let path = field_type(field);
                initial_functions.push(quote! {
                    fn #function() -> #path {
                        #expression
                    }
                });
                (value, quote!(Self::#function()))
            }
            None => (
                quote!(::std::option::Option::Some(#value)),
                quote!(::std::option::Option::None),
            ),
        };
        initial.push(quote!(#name: #start));
        let docs = format!("Sets the column `{}`.", code_text(&field.column.name));
        setters.push(quote! {
            #[doc = #docs]
            #[must_use]
            pub fn #name(mut self, #name: #argument) -> Self {
                self.#name = #value;
                self
            }
        });
    }
    let docs = match arguments.is_empty() {
        true => "A record with the workbook's own values.",
        false => "A record with the workbook's own values in the other columns.",
    };
    let too_many = (arguments.len() > 7).then(|| {
        quote!(#[allow(clippy::too_many_arguments, reason = "the service has that many inputs")])
    });
    let no_default = arguments
        .is_empty()
        .then(|| quote!(#[allow(clippy::new_without_default, reason = "`Default` follows")]));
    let checks = checks(fields);
    let mut items = vec![parse_quote! {
        impl Input {
            #[doc = #docs]
            #too_many
            #no_default
            #[must_use]
            pub fn new(#(#arguments),*) -> Self {
                Self { #(#initial),* }
            }

            #(#setters)*

            #checks

            #(#initial_functions)*
        }
    }];
    if arguments.is_empty() {
        items.push(parse_quote! {
            impl ::std::default::Default for Input {
                fn default() -> Self {
                    Self::new()
                }
            }
        });
    }
    items
}

/// The type of a field that is not optional.
fn field_type(field: &Field<'_>) -> TokenStream {
    match &field.content {
        FieldContent::Enum(name, _) => {
            let name = Ident::new(name, Span::call_site());
            quote!(#name)
        }
        FieldContent::Cell(cell) => parse_path(cell_path(*cell)),
        FieldContent::Rows(..) | FieldContent::AnyRows => field.argument().0,
    }
}

/// `Input::checked`, if the workbook limits any input.
fn checks(fields: &[Field<'_>]) -> Option<TokenStream> {
    let mut checks = Vec::new();
    for field in fields {
        let (name, column) = (&field.name, &field.column.name);
        let checked = match &field.content {
            FieldContent::Cell(CellType::Number | CellType::Integer)
                if field.column.range.is_limited() =>
            {
                let limit = |limit: Option<f64>| match limit {
                    Some(limit) => quote!(::std::option::Option::Some(#limit)),
                    None => quote!(::std::option::Option::None),
                };
                let (min, max) = (limit(field.column.range.min), limit(field.column.range.max));
                let number = match field.content {
                    FieldContent::Cell(CellType::Integer) => quote!(*value as f64),
                    _ => quote!(*value),
                };
                quote!(::cspark_batches::service::check_range(#column, #number, #min, #max)?;)
            }
            FieldContent::Enum(enumeration, values) => {
                let enumeration = Ident::new(enumeration, Span::call_site());
                let allowed = values.iter().map(|(value, _)| value);
                quote! {
                    if let #enumeration::Unknown(value) = value {
                        return ::std::result::Result::Err(
                            ::cspark_batches::service::OutOfRange::not_listed(
                                #column, value, &[#(#allowed),*],
                            ),
                        );
                    }
                }
            }
            _ => continue,
        };
        checks.push(match field.is_optional() {
            true => quote!(if let ::std::option::Option::Some(value) = &self.#name { #checked }),
            false => quote!({ let value = &self.#name; #checked }),
        });
    }
    if checks.is_empty() {
        return None;
    }
    Some(quote! {
        /// Checks the record against the workbook's data validation.
        ///
        /// # Errors
        ///
        /// If a number is out of its range, or a text is not among the allowed values.
        pub fn checked(self) -> ::std::result::Result<Self, ::cspark_batches::service::OutOfRange> {
            #(#checks)*
            ::std::result::Result::Ok(self)
        }
    })
}

/// The columns as the trait `Service` lists them.
fn columns(fields: &[Field<'_>]) -> Vec<TokenStream> {
    let column = |field: &Field<'_>| {
        let name = &field.column.name;
        let kind = match &field.content {
            FieldContent::Cell(CellType::Number | CellType::Integer) => "Number",
            FieldContent::Cell(CellType::Text) | FieldContent::Enum(..) => "Text",
            FieldContent::Cell(CellType::Boolean) => "Boolean",
            FieldContent::Cell(CellType::Any) => "Any",
            FieldContent::Rows(..) | FieldContent::AnyRows => "Table",
        };
        let kind = Ident::new(kind, Span::call_site());
        quote!(::cspark_batches::service::Column::new(
            #name, ::cspark_batches::service::ColumnKind::#kind
        ))
    };
    fields.iter().map(column).collect()
}

//! Reads the JSON Schemas of a service's inputs and outputs: within a Swagger 2 document, or as a
//! pair.

use super::document::table_of_values;
use super::model::{CellType, Column, Content, DocumentKind, Model, Range};
use crate::diagnostics::Diagnostics;
use crate::json::Json;

/// How many references lead from one to the next at most.
const MOST_REFERENCES: usize = 32;

pub(super) fn read_swagger(document: &Json) -> Result<Model, Diagnostics> {
    let paths = document.get("paths").and_then(Json::members);
    let execute = paths.unwrap_or_default().iter().find_map(|(path, item)| {
        let operation = item.get("post")?;
        path.ends_with("/execute").then_some((path, operation))
    });
    let Some((path, operation)) = execute else {
        let message = "there is no path that ends in `/execute`; fetch the service's Swagger \
                       document again";
        return Err(Diagnostics::at(&["paths".to_owned()], message));
    };
    let place = ["paths", path, "post"].map(str::to_owned);

    let parameters = operation.get("parameters").and_then(Json::list);
    let parameters = parameters.unwrap_or_default().iter().enumerate();
    let body = parameters.clone().find_map(|(n, parameter)| {
        let is_body = parameter.get("in").and_then(Json::text) == Some("body");
        is_body.then_some((n, parameter.get("schema")?))
    });
    let response = operation.at(&["responses", "200", "schema"]);
    let (Some((n, body)), Some(response)) = (body, response) else {
        let message = "the request's body and the response `200` need a schema";
        return Err(Diagnostics::at(&place, message));
    };

    let mut model = Model::new(DocumentKind::Swagger);
    let example_of = |name: &str| {
        let mut parameters = parameters.clone();
        let found = parameters.find(|(_, it)| it.get("name").and_then(Json::text) == Some(name));
        found.and_then(|(_, it)| it.get("x-example")?.text())
    };
    let folder = example_of("product").or_else(|| product_name(document));
    model.folder = folder.map(str::to_owned);
    let title = document.at(&["info", "title"]).and_then(Json::text);
    model.service = example_of("engine").or(title).map(str::to_owned);
    let version = response.at(&["example", "response_meta", "version"]);
    model.version = version.and_then(Json::text).map(str::to_owned);

    let place_of = |steps: &[&str]| {
        let steps = steps.iter().map(|it| (*it).to_owned());
        place.iter().cloned().chain(steps).collect::<Vec<_>>()
    };
    let inputs = Place {
        document,
        place: place_of(&["parameters", &n.to_string(), "schema"]),
        examples: body.at(&["example", "request_data", "inputs"]),
    };
    model.inputs = inputs.columns_at(body, &["request_data", "inputs"])?;
    let outputs = Place {
        document,
        place: place_of(&["responses", "200", "schema"]),
        examples: response.at(&["example", "response_data", "outputs"]),
    };
    model.outputs = outputs.columns_at(response, &["response_data", "outputs"])?;
    Ok(model)
}

/// `**Product Name** : my-folder`
fn product_name(document: &Json) -> Option<&str> {
    let description = document.at(&["info", "description"])?.text()?;
    let line = description.lines().find(|it| it.contains("Product Name"))?;
    Some(line.split_once(':')?.1.trim()).filter(|name| !name.is_empty())
}

pub(super) fn read_pair(document: &Json) -> Result<Model, Diagnostics> {
    let mut model = Model::new(DocumentKind::JsonSchemas);
    let text = |key| document.get(key).and_then(Json::text).map(str::to_owned);
    model.folder = text("folder");
    model.service = text("service");
    model.version = text("version");
    for (key, columns) in [
        ("inputs", &mut model.inputs),
        ("outputs", &mut model.outputs),
    ] {
        let Some(schema) = document.get(key) else {
            let message = format!("`{key}` is missing; it is the JSON Schema of a record's {key}");
            return Err(Diagnostics::on_line(1, message));
        };
        let place = Place {
            document: schema,
            place: vec![key.to_owned()],
            examples: None,
        };
        *columns = place.columns_at(schema, &[])?;
    }
    Ok(model)
}

/// A schema within a document.
struct Place<'a> {
    /// Where references start from.
    document: &'a Json,
    place: Vec<String>,
    /// Values by name.
    examples: Option<&'a Json>,
}

impl<'a> Place<'a> {
    /// The columns of the object at a path of properties.
    fn columns_at(&self, schema: &'a Json, path: &[&str]) -> Result<Vec<Column>, Diagnostics> {
        let (mut schema, mut place) = (self.resolve(schema), self.place.clone());
        for property in path {
            place.extend(["properties", property].map(str::to_owned));
            let found = schema.at(&["properties", property]);
            schema = self.resolve(found.ok_or_else(|| {
                let message = "this property is missing; fetch the service's document again";
                Diagnostics::at(&place, message)
            })?);
        }
        let properties = match schema.get("properties") {
            Some(Json::Object(properties)) => properties.as_slice(),
            None => &[],
            Some(_) => {
                place.push("properties".to_owned());
                return Err(Diagnostics::at(
                    &place,
                    "expected an object with the columns",
                ));
            }
        };
        let required = schema
            .get("required")
            .and_then(Json::list)
            .unwrap_or_default();
        let required: Vec<&str> = required.iter().filter_map(Json::text).collect();
        let column = |(name, schema): &(String, Json)| {
            let place = [&place, ["properties", name].map(str::to_owned).as_slice()].concat();
            let mut column = self.column(name, place, schema);
            column.required = required.contains(&name.as_str());
            column
        };
        Ok(properties.iter().map(column).collect())
    }

    fn column(&self, name: &str, place: Vec<String>, schema: &Json) -> Column {
        let description = schema.get("description").and_then(Json::text);
        let example = self.examples.and_then(|examples| examples.get(name));
        let own = ["default", "example"]
            .iter()
            .find_map(|key| schema.get(key));
        let value = own.or(example).filter(|value| **value != Json::Null);
        let schema = self.resolve(schema);
        let mut column = Column::new(name, place, Content::Cell(CellType::Any));
        let inner = schema.get("description").and_then(Json::text);
        column.description = description.or(inner).map(str::to_owned);
        column.value = value.cloned();
        column.content = self.content(&column.place, schema, value);
        column.values = values(schema);
        let number = |key| schema.get(key).and_then(Json::number);
        column.range = Range {
            min: number("minimum").or_else(|| number("exclusiveMinimum")),
            max: number("maximum").or_else(|| number("exclusiveMaximum")),
        };
        column
    }

    fn content(&self, place: &[String], schema: &Json, value: Option<&Json>) -> Content {
        let found = match type_name(schema) {
            Some("array") => {
                let items = schema.get("items").map(|items| self.resolve(items));
                let properties = items.and_then(|items| items.get("properties")?.members());
                let columns: Vec<Column> = properties
                    .unwrap_or_default()
                    .iter()
                    .map(|(name, schema)| {
                        let more = ["items", "properties", name].map(str::to_owned);
                        let place = [place, more.as_slice()].concat();
                        // The cells of a row have no value of their own in the workbook.
                        Column {
                            value: None,
                            ..self.column(name, place, schema)
                        }
                    })
                    .collect();
                return Content::Table(match columns.is_empty() {
                    true => table_of_values(place, value),
                    false => columns,
                });
            }
            // A workbook calculates with floating-point numbers: what is an integer in the
            // document can have a fraction tomorrow.
            Some("integer" | "number") => CellType::Number,
            Some("string") => CellType::Text,
            Some("boolean") => CellType::Boolean,
            _ => CellType::Any,
        };
        Content::Cell(found)
    }

    /// The schema behind references, and behind an alternative of a schema and null.
    fn resolve(&self, schema: &'a Json) -> &'a Json {
        let mut schema = schema;
        for _ in 0..MOST_REFERENCES {
            let target = schema.get("$ref").and_then(Json::text);
            let next = match target {
                Some(target) => target.strip_prefix("#/").and_then(|path| {
                    let path: Vec<&str> = path.split('/').collect();
                    self.document.at(&path)
                }),
                None => not_null(schema),
            };
            match next {
                Some(next) => schema = next,
                None => return schema,
            }
        }
        schema
    }
}

/// The only alternative that is not null, or the only part.
fn not_null(schema: &Json) -> Option<&Json> {
    let parts = ["anyOf", "oneOf", "allOf"]
        .iter()
        .find_map(|key| schema.get(key)?.list())?;
    let is_null = |it: &&Json| it.get("type").and_then(Json::text) == Some("null");
    let mut others = parts.iter().filter(|it| !is_null(it));
    let only = others.next()?;
    others.next().is_none().then_some(only)
}

/// The type, without null.
fn type_name(schema: &Json) -> Option<&str> {
    match schema.get("type")? {
        Json::List(types) => {
            let mut types = types
                .iter()
                .filter_map(Json::text)
                .filter(|it| *it != "null");
            let only = types.next()?;
            types.next().is_none().then_some(only)
        }
        name => name.text(),
    }
}

/// The texts of an enumeration, with or without null.
fn values(schema: &Json) -> Vec<String> {
    let values = schema.get("enum").and_then(Json::list).unwrap_or_default();
    let values: Vec<&Json> = values.iter().filter(|it| **it != Json::Null).collect();
    let texts = values.iter().filter_map(|value| match value {
        Json::Text(text) => Some(text.clone()),
        _ => None,
    });
    let texts: Vec<String> = texts.collect();
    if texts.len() == values.len() {
        texts
    } else {
        Vec::new()
    }
}

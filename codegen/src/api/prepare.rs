//! Turns a description that is complete for any reader into one that progenitor accepts.
//!
//! Handwritten code handles what is removed here: the transport errors and headers, the records the
//! bulk payloads.

use indexmap::IndexMap;
use openapiv3::{
    MediaType, OpenAPI, Operation, Parameter, PathItem, ReferenceOr, Schema, SchemaData,
    SchemaKind, StatusCode, StringFormat, StringType, Type, VariantOrUnknownOrEmpty,
};

use crate::diagnostics::Diagnostics;

/// Changes the description in place. The arguments name the operations whose request or response
/// passes as bytes.
pub(super) fn prepare(
    api: &mut OpenAPI,
    bytes_requests: &[&str],
    bytes_responses: &[&str],
) -> Result<(), Diagnostics> {
    let mut components = api.components.take().unwrap_or_default();
    let mut missing: Vec<&str> = [bytes_requests, bytes_responses].concat();
    for item in api.paths.paths.values_mut().filter_map(as_item_mut) {
        drop_headers(&mut item.parameters, &components.parameters);
        for operation in operations_mut(item) {
            drop_headers(&mut operation.parameters, &components.parameters);
            drop_error_responses(operation);

            let id = operation.operation_id.as_deref().unwrap_or_default();
            let is_request = bytes_requests.contains(&id);
            let is_response = bytes_responses.contains(&id);
            let body = operation.request_body.as_mut().and_then(as_item_mut);
            if let Some(body) = body.filter(|_| is_request) {
                as_bytes(&mut body.content);
                missing.retain(|name| *name != id);
            }
            let mut responses = operation.responses.responses.values_mut();
            let response = responses.next().and_then(as_item_mut);
            if let Some(response) = response.filter(|_| is_response) {
                as_bytes(&mut response.content);
                missing.retain(|name| *name != id);
            }
        }
    }
    let schemas = components.schemas.values_mut();
    schemas.filter_map(as_item_mut).for_each(drop_nullable);
    api.components = Some(components);

    let mut diagnostics = Diagnostics::default();
    for name in missing {
        let what =
            format!("there is no operation `{name}`, whose payload the generator passes as bytes");
        diagnostics.add(&["paths".to_owned()], what);
    }
    diagnostics.or(())
}

fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let methods = [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.options,
        &mut item.head,
        &mut item.patch,
        &mut item.trace,
    ];
    methods.into_iter().flatten()
}

/// The transport sets the headers, for these calls and for all others.
fn drop_headers(
    parameters: &mut Vec<ReferenceOr<Parameter>>,
    named: &IndexMap<String, ReferenceOr<Parameter>>,
) {
    parameters.retain(|parameter| {
        let parameter = match parameter {
            ReferenceOr::Item(parameter) => Some(parameter),
            ReferenceOr::Reference { reference } => reference
                .rsplit('/')
                .next()
                .and_then(|name| named.get(name))
                .and_then(ReferenceOr::as_item),
        };
        !matches!(parameter, Some(Parameter::Header { .. }))
    });
}

/// A declared error whose body is not JSON loses its status; an undeclared one keeps it.
fn drop_error_responses(operation: &mut Operation) {
    operation.responses.default = None;
    operation
        .responses
        .responses
        .retain(|status, _| match status {
            StatusCode::Code(code) => *code < 300,
            StatusCode::Range(range) => *range < 3,
        });
}

/// Makes the generated call pass the body as bytes.
fn as_bytes(content: &mut IndexMap<String, MediaType>) {
    let bytes = Schema {
        schema_data: SchemaData::default(),
        schema_kind: SchemaKind::Type(Type::String(StringType {
            format: VariantOrUnknownOrEmpty::Item(StringFormat::Binary),
            ..StringType::default()
        })),
    };
    let media_type = MediaType {
        schema: Some(ReferenceOr::Item(bytes)),
        ..MediaType::default()
    };
    *content = std::iter::once(("application/octet-stream".to_owned(), media_type)).collect();
}

/// An optional field accepts null as it is. A named schema that is nullable would become a newtype,
/// and a nullable moment would not match the conversion of `date-time`.
fn drop_nullable(schema: &mut Schema) {
    schema.schema_data.nullable = false;
    match &mut schema.schema_kind {
        SchemaKind::Type(Type::String(string)) => string.enumeration.retain(Option::is_some),
        SchemaKind::Type(Type::Object(object)) => {
            for property in object.properties.values_mut() {
                if let ReferenceOr::Item(property) = property
                    && is_date_time(property)
                {
                    property.schema_data.nullable = false;
                }
            }
        }
        _ => {}
    }
}

fn is_date_time(schema: &Schema) -> bool {
    let SchemaKind::Type(Type::String(string)) = &schema.schema_kind else {
        return false;
    };
    string.format == VariantOrUnknownOrEmpty::Item(StringFormat::DateTime)
}

fn as_item_mut<T>(item: &mut ReferenceOr<T>) -> Option<&mut T> {
    match item {
        ReferenceOr::Item(item) => Some(item),
        ReferenceOr::Reference { .. } => None,
    }
}

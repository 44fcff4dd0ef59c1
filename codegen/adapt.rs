//! From a description that is complete for any reader to one that progenitor can take.
//!
//! What is taken out here is looked after by hand: errors and headers by the transport, bulk payloads by the records.

use indexmap::IndexMap;
use openapiv3::{
    MediaType, OpenAPI, Operation, Parameter, PathItem, ReferenceOr, Schema, SchemaData,
    SchemaKind, StatusCode, StringFormat, StringType, Type, VariantOrUnknownOrEmpty,
};

use super::problems::Problems;

/// Changes the description in place. `bulk_request` and `bulk_response` name operations whose payload passes as bytes.
pub(super) fn adapt(
    api: &mut OpenAPI,
    bulk_request: &str,
    bulk_response: &str,
) -> Result<(), Problems> {
    let mut components = api.components.take().unwrap_or_default();
    let mut as_they_are = vec![bulk_request, bulk_response];
    for item in api.paths.paths.values_mut().filter_map(as_item_mut) {
        drop_headers(&mut item.parameters, &components.parameters);
        for operation in operations_mut(item) {
            drop_headers(&mut operation.parameters, &components.parameters);
            drop_error_responses(operation);

            let is = |name| operation.operation_id.as_deref() == Some(name);
            let (is_request, is_response) = (is(bulk_request), is(bulk_response));
            let body = operation.request_body.as_mut().and_then(as_item_mut);
            if let Some(body) = body.filter(|_| is_request) {
                as_bytes(&mut body.content);
                as_they_are.retain(|name| *name != bulk_request);
            }
            let mut answers = operation.responses.responses.values_mut();
            let answer = answers.next().and_then(as_item_mut);
            if let Some(answer) = answer.filter(|_| is_response) {
                as_bytes(&mut answer.content);
                as_they_are.retain(|name| *name != bulk_response);
            }
        }
    }
    let schemas = components.schemas.values_mut();
    schemas.filter_map(as_item_mut).for_each(drop_nullable);
    api.components = Some(components);

    let mut problems = Problems::default();
    for name in as_they_are {
        let what = format!(
            "no operation `{name}` is here whose payload can pass as bytes, as codegen/mod.rs wants it"
        );
        problems.add(&["paths".to_owned()], what);
    }
    problems.or(())
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

/// A declared error whose body is not JSON would lose its status; an undeclared one arrives whole.
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

/// A body that the generated call neither builds nor reads.
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

/// A field that may be absent takes null as well; a named schema that may be null would become a wrapper of its own.
fn drop_nullable(schema: &mut Schema) {
    schema.schema_data.nullable = false;
    if let SchemaKind::Type(Type::String(string)) = &mut schema.schema_kind {
        string.enumeration.retain(Option::is_some);
    }
}

fn as_item_mut<T>(item: &mut ReferenceOr<T>) -> Option<&mut T> {
    match item {
        ReferenceOr::Item(item) => Some(item),
        ReferenceOr::Reference { .. } => None,
    }
}

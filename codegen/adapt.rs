//! From a description that is complete for any reader to one that progenitor can take.
//!
//! What is taken out here is looked after by hand: errors and headers by the transport, bulk payloads by the records.

use openapiv3::{
    MediaType, OpenAPI, Operation, Parameter, ReferenceOr, Schema, SchemaData, SchemaKind,
    StatusCode, StringFormat, StringType, Type, VariantOrUnknownOrEmpty,
};

use super::problems::Problems;

/// Changes the description in place. `bulk_request` and `bulk_response` name operations whose payload passes as bytes.
pub(super) fn adapt(
    api: &mut OpenAPI,
    bulk_request: &str,
    bulk_response: &str,
) -> Result<(), Problems> {
    let mut left = vec![bulk_request, bulk_response];
    let components = api.components.clone().unwrap_or_default();
    for operation in operations_mut(api) {
        drop_header_parameters(operation, &components.parameters);
        drop_error_responses(operation);
        let id = operation.operation_id.clone().unwrap_or_default();
        if id == bulk_request {
            let body = operation.request_body.as_mut().and_then(as_item_mut);
            body.map(|body| as_bytes(&mut body.content))
                .is_some()
                .then(|| left.retain(|name| *name != id));
        }
        if id == bulk_response {
            for response in operation
                .responses
                .responses
                .values_mut()
                .filter_map(as_item_mut)
            {
                as_bytes(&mut response.content);
                left.retain(|name| *name != id);
            }
        }
    }
    for schema in api
        .components
        .iter_mut()
        .flat_map(|components| components.schemas.values_mut())
    {
        as_item_mut(schema).into_iter().for_each(drop_nullable);
    }
    match left.as_slice() {
        [] => Ok(()),
        names => Err(Problems::one(
            &["paths"],
            format!(
                "codegen/mod.rs wants an operation `{}` whose payload can pass as bytes",
                names.join("`, `")
            ),
        )),
    }
}

fn operations_mut(api: &mut OpenAPI) -> impl Iterator<Item = &mut Operation> {
    api.paths
        .paths
        .values_mut()
        .filter_map(as_item_mut)
        .flat_map(|item| {
            let methods = [
                &mut item.get,
                &mut item.put,
                &mut item.post,
                &mut item.patch,
                &mut item.delete,
            ];
            methods.into_iter().flatten()
        })
}

/// The transport sets the headers, for these calls and for all others.
fn drop_header_parameters(
    operation: &mut Operation,
    components: &indexmap::IndexMap<String, ReferenceOr<Parameter>>,
) {
    operation.parameters.retain(|parameter| {
        let parameter = match parameter {
            ReferenceOr::Item(parameter) => Some(parameter),
            ReferenceOr::Reference { reference } => reference
                .rsplit('/')
                .next()
                .and_then(|name| components.get(name))
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
fn as_bytes(content: &mut indexmap::IndexMap<String, MediaType>) {
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

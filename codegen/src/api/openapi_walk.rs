//! Walks a description, and distinguishes OpenAPI's keys, our own names and plain data.

use openapiv3::{
    Example, Header, Info, MediaType, Operation, Parameter, PathItem, RequestBody, Response,
    Schema, SecurityScheme, Server, Tag,
};
use serde::Deserialize;
use serde_json::Value;

/// A part of a description that can be read by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Example,
    Header,
    Info,
    MediaType,
    Operation,
    Parameter,
    PathItem,
    RequestBody,
    Response,
    Schema,
    SecurityScheme,
    Server,
    Tag,
}

impl Kind {
    /// The reason if the value cannot be read as this kind of part.
    pub(super) fn failure(self, value: &Value) -> Option<String> {
        fn failure<'a, T: Deserialize<'a>>(value: &'a Value) -> Option<String> {
            Some(T::deserialize(value).err()?.to_string())
        }
        match self {
            Self::Example => failure::<Example>(value),
            Self::Header => failure::<Header>(value),
            Self::Info => failure::<Info>(value),
            Self::MediaType => failure::<MediaType>(value),
            Self::Operation => failure::<Operation>(value),
            Self::Parameter => failure::<Parameter>(value),
            Self::PathItem => failure::<PathItem>(value),
            Self::RequestBody => failure::<RequestBody>(value),
            Self::Response => failure::<Response>(value),
            Self::Schema => failure::<Schema>(value),
            Self::SecurityScheme => failure::<SecurityScheme>(value),
            Self::Server => failure::<Server>(value),
            Self::Tag => failure::<Tag>(value),
        }
    }

    /// The section of `components` that a reference to this kind of part leads to.
    pub(super) fn section(self) -> Option<&'static str> {
        match self {
            Self::Example => Some("examples"),
            Self::Header => Some("headers"),
            Self::Parameter => Some("parameters"),
            Self::RequestBody => Some("requestBodies"),
            Self::Response => Some("responses"),
            Self::Schema => Some("schemas"),
            Self::SecurityScheme => Some("securitySchemes"),
            Self::Info
            | Self::MediaType
            | Self::Operation
            | Self::PathItem
            | Self::Server
            | Self::Tag => None,
        }
    }
}

/// The meaning of the members of a value.
#[derive(Clone, Copy)]
enum Role {
    /// Keys of OpenAPI, those of the kind if it has one.
    Keys(Option<Kind>),
    /// Our own names or elements of a list, each with a part of the kind.
    Parts(Kind),
    /// Data, not OpenAPI.
    Data,
}

impl Role {
    fn below(self, key: &str) -> Self {
        let kind = match self {
            Self::Data => return Self::Data,
            Self::Parts(kind) => return Self::Keys(Some(kind)),
            Self::Keys(kind) => kind,
        };
        match key {
            "default" | "enum" | "example" => Self::Data,
            "value" if kind == Some(Kind::Example) => Self::Data,
            _ if key.starts_with("x-") => Self::Data,
            "delete" | "get" | "head" | "options" | "patch" | "post" | "put" | "trace" => {
                Self::Keys(Some(Kind::Operation))
            }
            "additionalProperties" | "items" | "not" | "schema" => Self::Keys(Some(Kind::Schema)),
            "allOf" | "anyOf" | "oneOf" | "properties" | "schemas" => Self::Parts(Kind::Schema),
            "content" => Self::Parts(Kind::MediaType),
            "examples" => Self::Parts(Kind::Example),
            "headers" => Self::Parts(Kind::Header),
            "info" => Self::Keys(Some(Kind::Info)),
            "parameters" => Self::Parts(Kind::Parameter),
            "paths" => Self::Parts(Kind::PathItem),
            "requestBodies" => Self::Parts(Kind::RequestBody),
            "requestBody" => Self::Keys(Some(Kind::RequestBody)),
            "responses" => Self::Parts(Kind::Response),
            "securitySchemes" => Self::Parts(Kind::SecurityScheme),
            "servers" => Self::Parts(Kind::Server),
            "tags" if kind.is_none() => Self::Parts(Kind::Tag),
            _ => Self::Keys(None),
        }
    }
}

/// A value of the description that is OpenAPI rather than data.
pub(super) struct Node<'a> {
    /// Keys and indices from the top.
    pub(super) place: Vec<String>,
    pub(super) value: &'a Value,
    /// The kind of the part, if it is one.
    pub(super) kind: Option<Kind>,
}

impl Node<'_> {
    /// The place of a member.
    pub(super) fn below(&self, key: &str) -> Vec<String> {
        let mut place = self.place.clone();
        place.push(key.to_owned());
        place
    }
}

/// All values that are OpenAPI, each before its members.
pub(super) fn nodes(description: &Value) -> Vec<Node<'_>> {
    let mut nodes = Vec::new();
    collect(description, Role::Keys(None), &mut Vec::new(), &mut nodes);
    nodes
}

fn collect<'a>(value: &'a Value, role: Role, place: &mut Vec<String>, nodes: &mut Vec<Node<'a>>) {
    if matches!(role, Role::Data) {
        return;
    }
    nodes.push(Node {
        place: place.clone(),
        value,
        kind: match role {
            Role::Keys(kind) => kind,
            _ => None,
        },
    });
    let members: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(key, it)| (key.clone(), it)).collect(),
        Value::Array(elements) => elements
            .iter()
            .enumerate()
            .map(|(i, it)| (i.to_string(), it))
            .collect(),
        _ => return,
    };
    for (key, member) in members {
        place.push(key);
        let role = role.below(place.last().map_or("", String::as_str));
        collect(member, role, place, nodes);
        place.pop();
    }
}

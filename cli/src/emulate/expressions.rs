//! Services that are defined by expressions: `volume = pi * r^2 * h; surface = 2 * pi * r * h`.

use std::fmt;
use std::str::FromStr;

use cspark_emulator::schemars::{Schema, json_schema};
use cspark_emulator::{Output, Record, Service};
use evalexpr::{
    ContextWithMutableVariables as _, EvalexprError, HashMapContext, Node, Operator, Value,
};
use serde_json::{Map, json};

/// The functions that an expression may call, and their names in `evalexpr`.
const FUNCTIONS: &[(&str, &str)] = &[
    ("abs", "math::abs"),
    ("acos", "math::acos"),
    ("asin", "math::asin"),
    ("atan", "math::atan"),
    ("atan2", "math::atan2"),
    ("ceil", "ceil"),
    ("cos", "math::cos"),
    ("exp", "math::exp"),
    ("floor", "floor"),
    ("if", "if"),
    ("len", "len"),
    ("ln", "math::ln"),
    ("log10", "math::log10"),
    ("log2", "math::log2"),
    ("max", "max"),
    ("min", "min"),
    ("round", "round"),
    ("sin", "math::sin"),
    ("sqrt", "math::sqrt"),
    ("tan", "math::tan"),
];

const LACKS_OPERAND: &str = "an operator lacks a value before or after it";

/// The outputs of a service as expressions over its inputs.
///
/// Expressions are separated by semicolons, and each gives one output a name: `area = pi * r^2`. An
/// output may be used in the expressions after it. Every other name is an input: a number, unless
/// it is compared with a text (`sex == "female"`) or used as a condition (`if(smoker, 2, 1)`).
/// All numbers are floating-point numbers, as in a workbook: `1/2` is 0.5.
#[derive(Clone, Debug)]
pub(crate) struct Expressions {
    inputs: Vec<Column>,
    outputs: Vec<Column>,
    /// One for each output, in the same order.
    formulas: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    name: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Boolean,
    Text,
}

impl FromStr for Expressions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let tree = evalexpr::build_operator_tree(text).map_err(|error| explain(&error))?;
        let mut expressions = Self {
            inputs: Vec::new(),
            outputs: Vec::new(),
            formulas: Vec::new(),
        };
        let tree = inner(&tree);
        match tree.operator() {
            Operator::Chain => {
                let parts = tree.children().iter().map(inner);
                for part in parts.filter(|part| !is_nothing(part)) {
                    expressions.add(part)?;
                }
            }
            _ if is_nothing(tree) => {}
            _ => expressions.add(tree)?,
        }
        if expressions.outputs.is_empty() {
            return Err("there is no expression; write `output = expression`".to_owned());
        }
        Ok(expressions)
    }
}

impl Expressions {
    fn add(&mut self, assignment: &Node) -> Result<(), String> {
        let (Operator::Assign, [target, formula]) = (assignment.operator(), assignment.children())
        else {
            return Err("an expression has no name; write `output = expression`".to_owned());
        };
        let Operator::VariableIdentifierWrite { identifier: name } = target.operator() else {
            return Err("`=` comes after something that is not a name".to_owned());
        };
        let in_output = |problem: String| format!("{name}: {problem}");
        if self.outputs.iter().any(|output| output.name == *name) {
            return Err(in_output(
                "an output before it has the same name".to_owned(),
            ));
        }
        let mut formula = formula.clone();
        resolve(&mut formula).map_err(in_output)?;
        if is_nothing(inner(&formula)) {
            return Err(in_output("there is nothing after `=`".to_owned()));
        }
        self.find_inputs(&formula, None);
        if let Some(input) = self.inputs.iter().find(|input| input.name == *name) {
            return Err(in_output(format!(
                "`{}` can't be an input and an output at the same time",
                input.name
            )));
        }
        let kind = self.kind_of(&formula);
        self.formulas.push(formula);
        self.outputs.push(Column {
            name: name.clone(),
            kind,
        });
        Ok(())
    }

    /// Adds the inputs that a formula uses. `kind` is what its place asks for, if it asks for one.
    fn find_inputs(&mut self, node: &Node, kind: Option<Kind>) {
        if let Operator::VariableIdentifierRead { identifier } = node.operator() {
            if self.outputs.iter().any(|output| output.name == *identifier) {
                return;
            }
            match self
                .inputs
                .iter_mut()
                .find(|input| input.name == *identifier)
            {
                Some(known) => known.kind = kind.unwrap_or(known.kind),
                None => self.inputs.push(Column {
                    name: identifier.clone(),
                    kind: kind.unwrap_or(Kind::Number),
                }),
            }
            return;
        }
        let of_children = match node.operator() {
            Operator::And | Operator::Or | Operator::Not => Some(Kind::Boolean),
            Operator::Eq | Operator::Neq => {
                let constants = node.children().iter().map(inner);
                constants.filter_map(constant_kind).next()
            }
            Operator::RootNode => kind,
            _ => None,
        };
        if let Some([condition, others @ ..]) = arguments_of_if(node) {
            self.find_inputs(condition, Some(Kind::Boolean));
            for other in others {
                self.find_inputs(other, None);
            }
            return;
        }
        for child in node.children() {
            self.find_inputs(child, of_children);
        }
    }

    fn kind_of(&self, node: &Node) -> Kind {
        let node = inner(node);
        if let Some([_, then, ..]) = arguments_of_if(node) {
            return self.kind_of(then);
        }
        match node.operator() {
            Operator::Eq
            | Operator::Neq
            | Operator::Gt
            | Operator::Lt
            | Operator::Geq
            | Operator::Leq
            | Operator::And
            | Operator::Or
            | Operator::Not => Kind::Boolean,
            Operator::VariableIdentifierRead { identifier } => self
                .inputs
                .iter()
                .chain(&self.outputs)
                .find(|column| column.name == *identifier)
                .map_or(Kind::Number, |column| column.kind),
            _ => constant_kind(node).unwrap_or(Kind::Number),
        }
    }

    /// The names of the inputs, in the order in which the expressions use them.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &str> {
        self.inputs.iter().map(|input| input.name.as_str())
    }

    /// The names of the outputs.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &str> {
        self.outputs.iter().map(|output| output.name.as_str())
    }

    /// The service, with a schema and a Swagger document.
    pub(crate) fn into_service(self) -> Service {
        let inputs = json_schema_of(&self.inputs);
        let outputs = json_schema_of(&self.outputs);
        Service::raw(move |record, output| self.compute(record, output))
            .column_schemas(&inputs, &outputs)
    }

    fn compute(&self, record: &Record<'_>, output: &mut Output) -> Result<(), String> {
        let fields = record.fields()?;
        let mut context = HashMapContext::new();
        for input in &self.inputs {
            let Some((_, json)) = fields.iter().find(|(name, _)| *name == input.name) else {
                return Err(format!("input `{}` is missing", input.name));
            };
            let value = input.read(json.get())?;
            context
                .set_value(input.name.clone(), value)
                .map_err(|error| format!("input `{}`: {}", input.name, explain(&error)))?;
        }
        for (column, formula) in self.outputs.iter().zip(&self.formulas) {
            let name = &column.name;
            let value = formula
                .eval_with_context(&context)
                .map_err(|error| format!("output `{name}`: {}", explain(&error)))?;
            match &value {
                Value::Float(number) if number.is_finite() => output.value(name, number)?,
                Value::Float(number) => {
                    return Err(format!("output `{name}` is not a number: {number}"));
                }
                Value::Int(number) => output.value(name, number)?,
                Value::Boolean(flag) => output.value(name, flag)?,
                Value::String(text) => output.value(name, text)?,
                Value::Tuple(_) | Value::Empty => {
                    return Err(format!("output `{name}` is not a single value: {value}"));
                }
            }
            context
                .set_value(name.clone(), value)
                .map_err(|error| format!("output `{name}`: {}", explain(&error)))?;
        }
        Ok(())
    }
}

impl Column {
    fn read(&self, json: &str) -> Result<Value, String> {
        let value = match self.kind {
            Kind::Number => serde_json::from_str(json).ok().map(Value::Float),
            Kind::Boolean => serde_json::from_str(json).ok().map(Value::Boolean),
            Kind::Text => serde_json::from_str(json).ok().map(Value::String),
        };
        value.ok_or_else(|| match json {
            "null" => format!("input `{}` is empty", self.name),
            _ => format!("input `{}` must be {}, but is {json}", self.name, self.kind),
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Text => "a text",
        })
    }
}

/// The node itself, without the parentheses around it.
fn inner(mut node: &Node) -> &Node {
    while let (Operator::RootNode, [only]) = (node.operator(), node.children()) {
        node = only;
    }
    node
}

fn is_nothing(node: &Node) -> bool {
    matches!(node.operator(), Operator::RootNode) && node.children().is_empty()
}

fn constant_kind(node: &Node) -> Option<Kind> {
    match node.operator() {
        Operator::Const { value } => match value {
            Value::String(_) => Some(Kind::Text),
            Value::Boolean(_) => Some(Kind::Boolean),
            Value::Float(_) | Value::Int(_) => Some(Kind::Number),
            Value::Tuple(_) | Value::Empty => None,
        },
        _ => None,
    }
}

fn arguments_of_if(node: &Node) -> Option<&[Node]> {
    match (node.operator(), node.children()) {
        (Operator::FunctionIdentifier { identifier }, [argument]) if identifier == "if" => {
            let argument = inner(argument);
            matches!(argument.operator(), Operator::Tuple).then(|| argument.children())
        }
        _ => None,
    }
}

/// How many values an operator takes. `evalexpr` finds missing ones only when it evaluates.
fn operands(operator: &Operator) -> Option<usize> {
    use Operator::{Add, And, Div, Eq, Exp, Geq, Gt, Leq, Lt, Mod, Mul, Neg, Neq, Not, Or, Sub};
    match operator {
        Add | Sub | Mul | Div | Mod | Exp | Eq | Neq | Gt | Lt | Geq | Leq | And | Or => Some(2),
        Neg | Not => Some(1),
        _ => None,
    }
}

/// Makes floating-point numbers of integers, replaces `pi`, and gives functions the names that
/// `evalexpr` has for them.
fn resolve(node: &mut Node) -> Result<(), String> {
    if operands(node.operator()).is_some_and(|operands| operands != node.children().len()) {
        return Err(LACKS_OPERAND.to_owned());
    }
    let operator = node.operator_mut();
    match operator {
        Operator::Const { value } => {
            if let Value::Int(number) = value {
                *value = Value::Float(*number as f64);
            }
        }
        Operator::VariableIdentifierRead { identifier } if identifier == "pi" => {
            *operator = Operator::Const {
                value: Value::Float(std::f64::consts::PI),
            };
        }
        Operator::FunctionIdentifier { identifier } => {
            let known = FUNCTIONS.iter().find(|(name, _)| name == identifier);
            let Some((_, builtin)) = known else {
                let names: Vec<&str> = FUNCTIONS.iter().map(|(name, _)| *name).collect();
                return Err(format!(
                    "there is no function `{identifier}`, but {}; or is an operator missing \
                     after `{identifier}`?",
                    names.join(", ")
                ));
            };
            *identifier = (*builtin).to_owned();
        }
        Operator::Assign
        | Operator::AddAssign
        | Operator::SubAssign
        | Operator::MulAssign
        | Operator::DivAssign
        | Operator::ModAssign
        | Operator::ExpAssign
        | Operator::AndAssign
        | Operator::OrAssign => {
            return Err(
                "there is a second `=`; use `==` to compare, and `;` between outputs".to_owned(),
            );
        }
        _ => {}
    }
    node.children_mut().iter_mut().try_for_each(resolve)
}

/// The library's errors in words that fit a service.
fn explain(error: &EvalexprError) -> String {
    match error {
        EvalexprError::UnmatchedLBrace => "a `(` is not closed".to_owned(),
        EvalexprError::UnmatchedRBrace => "a `)` closes nothing".to_owned(),
        EvalexprError::UnmatchedDoubleQuote => "a text is not closed with `\"`".to_owned(),
        EvalexprError::WrongOperatorArgumentAmount { .. } => LACKS_OPERAND.to_owned(),
        EvalexprError::ExpectedNumber { actual }
        | EvalexprError::ExpectedFloat { actual }
        | EvalexprError::ExpectedNumberOrString { actual } => {
            format!("{actual} stands where a number is needed")
        }
        EvalexprError::ExpectedBoolean { actual } => {
            format!("{actual} stands where true or false is needed")
        }
        EvalexprError::ExpectedString { actual } => {
            format!("{actual} stands where a text is needed")
        }
        other => other.to_string().trim_end_matches('.').to_owned(),
    }
}

fn json_schema_of(columns: &[Column]) -> Schema {
    let property = |column: &Column| {
        let schema = match column.kind {
            Kind::Number => json!({ "type": "number", "examples": [1.0] }),
            Kind::Boolean => json!({ "type": "boolean" }),
            Kind::Text => json!({ "type": "string" }),
        };
        (column.name.clone(), schema)
    };
    let properties: Map<_, _> = columns.iter().map(property).collect();
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    json_schema!({ "type": "object", "properties": properties, "required": names })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_and_outputs_are_found_in_the_expressions() {
        let parsed = |text: &str| text.parse::<Expressions>().unwrap();
        let names = |columns: &[Column]| -> Vec<String> {
            columns
                .iter()
                .map(|column| format!("{}: {}", column.name, column.kind))
                .collect()
        };
        let volume = parsed("base = pi * r^2; volume = base * h;");
        assert_eq!(names(&volume.inputs), ["r: a number", "h: a number"]);
        assert_eq!(
            names(&volume.outputs),
            ["base: a number", "volume: a number"]
        );
        let texts = parsed(r#"x = if(sex == "f" && smoker, "a", "b"); y = !smoker || (age >= 18)"#);
        assert_eq!(
            names(&texts.inputs),
            ["sex: a text", "smoker: true or false", "age: a number"]
        );
        assert_eq!(names(&texts.outputs), ["x: a text", "y: true or false"]);
    }

    #[test]
    fn mistakes_are_named() {
        let names: Vec<&str> = FUNCTIONS.iter().map(|(name, _)| *name).collect();
        let no_function = |name: &str| {
            format!(
                "v: there is no function `{name}`, but {}; or is an operator missing after `{name}`?",
                names.join(", ")
            )
        };
        for (text, expected) in [
            ("", "there is no expression; write `output = expression`"),
            (" ; ", "there is no expression; write `output = expression`"),
            (
                "r^2",
                "an expression has no name; write `output = expression`",
            ),
            ("v = (r", "a `(` is not closed"),
            ("v = r)", "a `)` closes nothing"),
            ("v = r +", "v: an operator lacks a value before or after it"),
            ("v = \"a", "a text is not closed with `\"`"),
            ("v = foo(r)", &no_function("foo")),
            ("v = r h", &no_function("r")),
            ("v = r; v = h", "v: an output before it has the same name"),
            (
                "v = w; w = 1",
                "w: `w` can't be an input and an output at the same time",
            ),
            (
                "v = v + 1",
                "v: `v` can't be an input and an output at the same time",
            ),
        ] {
            assert_eq!(text.parse::<Expressions>().unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn numbers_are_those_of_a_workbook() {
        let value = |formula: &str| -> Value {
            let expressions: Expressions = format!("v = {formula}").parse().unwrap();
            expressions.formulas[0].eval().unwrap()
        };
        for (formula, expected) in [
            ("1/2", 0.5),
            ("7 % 4", 3.0),
            ("2^3", 8.0),
            ("-2^2", -4.0),
            ("1e-3 * 1000", 1.0),
            ("min(3, max(1, 2))", 2.0),
            ("sqrt(16) + abs(-1)", 5.0),
            ("if(1 < 2, 10, 20)", 10.0),
            ("if(2 == 2.0, 1, 0)", 1.0),
        ] {
            assert_eq!(value(formula), Value::Float(expected), "{formula}");
        }
        let Value::Float(pi) = value("pi") else {
            panic!("pi is a number")
        };
        assert_eq!(pi, std::f64::consts::PI);
    }
}

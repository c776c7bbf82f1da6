//! What do MariaDB's functions and operators compute?
//!
//! Each is a [`Spec`]: a name, how many arguments, the type of the result for those of the arguments, and the
//! computation for one row. A call in a statement is first [`Unbound`]; once the types of its arguments are final it
//! is [`bind`]-ed to them, and only then can it run.
//!
//! Knows nothing of plans: values and their types in, a value out.

mod arithmetic;
mod cast;
pub(super) mod cell;
mod control;
mod date;
mod format;
mod math;
pub(super) mod moment;
pub(super) mod number;
mod session;
mod text;
mod text_more;

pub(super) use cast::key_type;

use super::meaning::{Class, SessionInfo, Typ, outside, unsupported};
use crate::error::{Error, Kind, Result};
use crate::model::{Charset, Value, display_float};
use arrow::datatypes::{DataType, FieldRef};
use cell::{Cell, Reader, Writer};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};
use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What a function's result type may depend on.
pub(super) struct Args<'a> {
    pub typs: &'a [Typ],
    /// The values of arguments that are literals.
    pub constants: &'a [Option<&'a ScalarValue>],
}

impl Args<'_> {
    /// A literal text argument.
    pub fn word(&self, i: usize) -> Result<&str> {
        match self.constants.get(i).copied().flatten() {
            Some(ScalarValue::Utf8(Some(s))) => Ok(s),
            _ => Err(Error::internal(format!("argument {i} is to be a literal"))),
        }
    }

    pub fn class(&self, i: usize) -> Class {
        self.typs.get(i).map_or(Class::Null, Typ::class)
    }
}

/// One row's call.
pub(super) struct Call<'a> {
    pub args: &'a [Cell<'a>],
    pub typs: &'a [Typ],
    pub out: &'a Typ,
    pub session: &'a SessionInfo,
}

impl Call<'_> {
    /// An argument as text; `None` for NULL. Bytes count as one character each when the result is bytes.
    pub fn text(&self, i: usize) -> Result<Option<Cow<'_, str>>> {
        match (&self.args[i], self.out.class()) {
            (Cell::Bytes(b), _) => Ok(Some(b.iter().map(|b| char::from(*b)).collect::<String>().into())),
            (cell, Class::Bytes) => {
                let bytes = bytes_of(cell, &self.typs[i])?;
                Ok(bytes.map(|b| b.iter().map(|b| char::from(*b)).collect::<String>().into()))
            }
            (cell, _) => text_of(cell, &self.typs[i]),
        }
    }

    /// A text result, as the result's type wants it; the inverse of `text`.
    pub fn give(&self, text: impl Into<String>) -> Cell<'static> {
        let text = text.into();
        match self.out.class() {
            Class::Bytes => Cell::Bytes(Cow::Owned(text.chars().map(|c| u32::from(c) as u8).collect())),
            _ => Cell::text(text),
        }
    }

    /// An argument's bytes.
    pub fn bytes(&self, i: usize) -> Result<Option<Cow<'_, [u8]>>> {
        bytes_of(&self.args[i], &self.typs[i])
    }
}

/// A value as the bytes in which its server has it: text in its collation's charset.
/// Errors: as `text_of`; `Unsupported` for text that its charset lacks.
pub(super) fn bytes_of<'a>(cell: &'a Cell<'a>, typ: &Typ) -> Result<Option<Cow<'a, [u8]>>> {
    if let Cell::Bytes(b) = cell {
        return Ok(Some(Cow::Borrowed(b)));
    }
    let Some(text) = text_of(cell, typ)? else { return Ok(None) };
    let charset = match typ.class() {
        Class::Text => Charset::of_collation(&typ.collation.name).unwrap_or_default(),
        _ => Charset::default(),
    };
    if charset.is_utf8() {
        return Ok(Some(Cow::Owned(text.into_owned().into_bytes())));
    }
    match charset.encode(&text) {
        Some(bytes) => Ok(Some(Cow::Owned(bytes.into_owned()))),
        None => Err(unsupported(format!("the bytes of a text that charset {} does not have", charset.name()))),
    }
}

/// A value as text. Errors: `Unsupported` for BIT.
pub(super) fn text_of<'a>(cell: &'a Cell<'a>, typ: &Typ) -> Result<Option<Cow<'a, str>>> {
    let shown = |value: Value| -> Result<Option<Cow<'a, str>>> {
        let kind = typ.kind.as_ref().ok_or_else(|| Error::internal("a value of no type"))?;
        let bytes = value.display(kind).unwrap_or_default();
        Ok(Some(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())))
    };
    if matches!(typ.kind, Some(crate::model::ColumnType::Bit { .. })) {
        return Err(unsupported("a BIT value as text").hint("Add 0 to it: b + 0"));
    }
    match cell {
        Cell::Null => Ok(None),
        Cell::Text(s) => Ok(Some(Cow::Borrowed(s))),
        Cell::Bytes(b) => Ok(Some(String::from_utf8_lossy(b).into_owned().into())),
        Cell::Int(v) => shown(Value::Int(*v)),
        Cell::UInt(v) => shown(Value::UInt(*v)),
        Cell::Decimal(v, s) => {
            let v = number::rescale(*v, *s, typ.scale()).ok_or_else(|| overflow("DECIMAL", cell))?;
            shown(Value::Decimal(v))
        }
        Cell::Double(v) => shown(Value::Double(*v)),
        Cell::Float(v) => Ok(Some(display_float(*v).into())),
        Cell::Date(v) => shown(Value::Date(*v)),
        Cell::DateTime(v) => shown(Value::DateTime(*v)),
        Cell::Time(v) => shown(Value::Time(*v)),
    }
}

pub(super) fn overflow(what: &str, value: impl std::fmt::Debug) -> Error {
    Error::new(Kind::Overflow, format!("{what} value is out of range: {value:?}"))
}

/// A function.
pub(super) struct Spec {
    /// As the statement names it after the rewriting; prefixed, so that it meets no function of DataFusion.
    pub name: &'static str,
    pub least: usize,
    pub most: usize,
    pub typ: fn(&Args) -> Result<Typ>,
    pub run: fn(&Call) -> Result<Cell<'static>>,
    /// NULL for any NULL argument, without a call.
    pub strict: bool,
}

impl std::fmt::Debug for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

type Typing = fn(&Args) -> Result<Typ>;
type Run = fn(&Call) -> Result<Cell<'static>>;

/// NULL in, NULL out.
const fn strict(name: &'static str, least: usize, most: usize, typ: Typing, run: Run) -> Spec {
    Spec { name, least, most, typ, run, strict: true }
}

/// Sees NULLs.
const fn lenient(name: &'static str, least: usize, most: usize, typ: Typing, run: Run) -> Spec {
    Spec { name, least, most, typ, run, strict: false }
}

/// What the analyzer rule turns into something else.
const fn lowered(name: &'static str, least: usize, most: usize, typ: Typing) -> Spec {
    Spec { name, least, most, typ, run: never, strict: false }
}

fn never(_: &Call) -> Result<Cell<'static>> {
    Err(Error::internal("an operator ran before it was bound to its types"))
}

const MANY: usize = 100_000;

/// Every function there is, by its prefixed name.
pub(super) fn all() -> impl Iterator<Item = &'static Spec> {
    [
        arithmetic::ALL,
        cast::ALL,
        control::ALL,
        date::ALL,
        format::ALL,
        math::ALL,
        session::ALL,
        text::ALL,
        text_more::ALL,
    ]
    .into_iter()
    .flatten()
}

pub(super) fn spec(name: &str) -> Option<&'static Spec> {
    all().find(|s| s.name == name)
}

/// A call whose arguments' types may still change.
#[derive(Debug)]
pub(super) struct Unbound {
    pub spec: &'static Spec,
    signature: Signature,
}

impl Unbound {
    pub fn udf(spec: &'static Spec) -> ScalarUDF {
        let any = TypeSignature::OneOf(vec![TypeSignature::Nullary, TypeSignature::VariadicAny]);
        ScalarUDF::new_from_impl(Unbound { spec, signature: Signature::new(any, Volatility::Immutable) })
    }
}

impl PartialEq for Unbound {
    fn eq(&self, other: &Self) -> bool {
        self.spec.name == other.spec.name
    }
}

impl Eq for Unbound {}

impl Hash for Unbound {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spec.name.hash(state);
    }
}

impl ScalarUDFImpl for Unbound {
    fn name(&self) -> &str {
        self.spec.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Err(outside(Error::internal(format!("{} without its arguments", self.spec.name))))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        let typs: Vec<Typ> = args.arg_fields.iter().map(|f| Typ::from_field(f)).collect();
        let typ = (self.spec.typ)(&Args { typs: &typs, constants: args.scalar_arguments }).map_err(outside)?;
        Ok(Arc::new(typ.field(self.spec.name)))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        Err(outside(Error::internal(format!("{} ran unbound", self.spec.name))))
    }
}

/// A call with the types of its arguments and its result.
#[derive(Debug)]
pub(super) struct Bound {
    pub spec: &'static Spec,
    typs: Vec<Typ>,
    out: Typ,
    session: Arc<SessionInfo>,
    signature: Signature,
}

/// The call of `spec` with these arguments of these types, for a result of type `out`.
pub(super) fn bind(spec: &'static Spec, args: Vec<Expr>, typs: Vec<Typ>, out: Typ, session: &Arc<SessionInfo>) -> Expr {
    let any = TypeSignature::OneOf(vec![TypeSignature::Nullary, TypeSignature::VariadicAny]);
    let signature = Signature::new(any, Volatility::Immutable);
    let bound = Bound { spec, typs, out, session: session.clone(), signature };
    ScalarUDF::new_from_impl(bound).call(args)
}

impl PartialEq for Bound {
    fn eq(&self, o: &Self) -> bool {
        self.spec.name == o.spec.name && self.typs == o.typs && self.out == o.out && self.session == o.session
    }
}

impl Eq for Bound {}

impl Hash for Bound {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spec.name.hash(state);
        self.typs.hash(state);
        self.out.hash(state);
    }
}

impl Bound {
    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let readers = args.args.iter().map(Reader::new).collect::<Result<Vec<_>>>()?;
        let constant = readers.iter().all(|r| matches!(r, Reader::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let mut writer = Writer::new(&self.out, rows);
        let mut cells = Vec::with_capacity(readers.len());
        for row in 0..rows {
            cells.clear();
            for reader in &readers {
                cells.push(reader.cell(row)?);
            }
            if self.spec.strict && cells.iter().any(Cell::is_null) {
                writer.push(&Cell::Null)?;
                continue;
            }
            let call = Call { args: &cells, typs: &self.typs, out: &self.out, session: &self.session };
            writer.push(&(self.spec.run)(&call)?)?;
        }
        if constant { writer.finish_one() } else { writer.finish().map(ColumnarValue::Array) }
    }
}

impl ScalarUDFImpl for Bound {
    fn name(&self) -> &str {
        self.spec.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(self.out.arrow.clone())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> DfResult<FieldRef> {
        Ok(Arc::new(self.out.field(self.spec.name)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        self.run(&args).map_err(outside)
    }
}

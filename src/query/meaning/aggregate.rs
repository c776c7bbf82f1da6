//! Aggregates: which type they give, and what they are in DataFusion.

use super::error::{outside, unsupported};
use super::types::{Class, Collation, Typ};
use crate::error::{Error, Result};
use crate::query::meaning::lower::Binder;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result as DfResult;
use datafusion::functions_aggregate::{bit_and_or_xor, count, first_last, min_max, stddev, string_agg, sum, variance};
use datafusion::functions_window;
use datafusion::logical_expr::expr::{AggregateFunctionParams, NullTreatment, Sort};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility, WindowUDF};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// An aggregate before its argument's type is final.
#[derive(Debug)]
pub(super) struct Placeholder {
    name: &'static str,
    typ: Typing,
    signature: Signature,
}

impl PartialEq for Placeholder {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Placeholder {}

impl Hash for Placeholder {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl AggregateUDFImpl for Placeholder {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Err(outside(Error::internal(format!("{} without its argument", self.name))))
    }

    fn return_field(&self, args: &[FieldRef]) -> DfResult<FieldRef> {
        let typ = args.first().map_or_else(Typ::null, |f| Typ::from_field(f));
        Ok(Arc::new((self.typ)(&typ).map_err(outside)?.field(self.name)))
    }

    fn accumulator(&self, _: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        Err(outside(Error::internal(format!("{} ran before it was bound", self.name))))
    }
}

fn sum_type(t: &Typ) -> Result<Typ> {
    Ok(match t.class() {
        Class::Double | Class::Text | Class::Null => Typ::real(t.fixed()),
        Class::Bytes => return Err(unsupported("the sum of binary strings")),
        _ => {
            let scale = if t.is_temporal() { 0 } else { t.held() };
            if t.is_temporal() && t.scale() > 0 {
                return Err(unsupported("the sum of times with fractions"));
            }
            let wide = t.precision() - t.scale() + scale > 28;
            let mut typ = Typ::decimal((t.precision() + 22).min(65), t.scale().min(38), scale)?;
            typ.arrow =
                if wide { DataType::Decimal256(76, scale as i8) } else { DataType::Decimal128(38, scale as i8) };
            typ
        }
    })
}

/// What is summed: so much narrower than the sum that DataFusion's own sum is of the sum's type.
fn summand(t: &Typ) -> Typ {
    let mut typ = t.clone();
    typ.arrow = match t.arrow {
        DataType::Decimal128(_, s) => DataType::Decimal128(28, s),
        DataType::Decimal256(_, s) => DataType::Decimal256(66, s),
        ref other => other.clone(),
    };
    typ
}

/// Of exact numbers it shows four digits more than they have.
fn spread_type(t: &Typ) -> Result<Typ> {
    Ok(Typ::real(t.fixed().map(|d| d + 4)))
}

fn extreme_type(t: &Typ) -> Result<Typ> {
    if t.members().is_some() {
        return Err(unsupported("MIN or MAX of an ENUM or SET").hint("CAST it AS CHAR."));
    }
    Typ::unify(std::slice::from_ref(t))
}

type Typing = fn(&Typ) -> Result<Typ>;

const AGGREGATES: &[(&str, Typing)] = &[
    ("my_sum", sum_type),
    ("my_count", |_| Ok(Typ::bigint())),
    ("my_min", extreme_type),
    ("my_max", extreme_type),
    ("my_bit_and", |_| Ok(Typ::ubigint())),
    ("my_bit_or", |_| Ok(Typ::ubigint())),
    ("my_bit_xor", |_| Ok(Typ::ubigint())),
    ("my_stddev_pop", spread_type),
    ("my_stddev_samp", spread_type),
    ("my_var_pop", spread_type),
    ("my_var_samp", spread_type),
    ("my_group_concat", |t| {
        Ok(if t.class() == Class::Text {
            Typ::text_in(t.collation.clone())
        } else {
            Typ::text_in(Collation::literal())
        })
    }),
];

pub(super) fn functions() -> Vec<Arc<AggregateUDF>> {
    AGGREGATES
        .iter()
        .map(|(name, typ)| {
            let signature = Signature::variadic_any(Volatility::Immutable);
            Arc::new(AggregateUDF::new_from_impl(Placeholder { name, typ: *typ, signature }))
        })
        .collect()
}

pub(super) fn windows() -> Vec<Arc<WindowUDF>> {
    functions_window::all_default_window_functions()
}

pub(super) fn placeholder(f: &AggregateUDF) -> Option<&'static str> {
    AGGREGATES.iter().find(|(name, _)| *name == f.name()).map(|(name, _)| *name)
}

/// DataFusion's aggregate for one of ours, its arguments converted. `typ` is the first argument's type; the
/// arguments are bound already.
pub(super) fn lower(
    name: &str,
    typ: &Typ,
    mut params: AggregateFunctionParams,
    over: bool,
    binder: &Binder,
) -> Result<(Arc<AggregateUDF>, AggregateFunctionParams)> {
    let mut args = params.args.into_iter();
    let value = args.next().ok_or_else(|| Error::internal(format!("{name} of nothing")))?;
    let number = |e| binder.convert(e, typ, &Typ::double());
    let (function, value) = match name {
        "my_count" if params.distinct => (count::count_udaf(), binder.key(value, typ)?),
        "my_count" => (count::count_udaf(), value),
        "my_sum" => {
            let out = sum_type(typ)?;
            (sum::sum_udaf(), binder.convert(value, typ, &summand(&out))?)
        }
        "my_min" | "my_max" if typ.class() == Class::Text => {
            if over {
                return Err(unsupported("MIN or MAX of texts as a window function"));
            }
            let ascending = name == "my_min";
            let key = binder.key(value.clone(), typ)?;
            params.order_by = vec![Sort::new(key, ascending, false), Sort::new(value.clone(), true, false)];
            params.null_treatment = Some(NullTreatment::IgnoreNulls);
            (first_last::first_value_udaf(), value)
        }
        "my_min" | "my_max" => {
            let out = extreme_type(typ)?;
            let value = if typ.arrow == out.arrow { value } else { binder.convert(value, typ, &out)? };
            (if name == "my_min" { min_max::min_udaf() } else { min_max::max_udaf() }, value)
        }
        "my_bit_and" => (bit_and_or_xor::bit_and_udaf(), binder.convert(value, typ, &Typ::ubigint())?),
        "my_bit_or" => (bit_and_or_xor::bit_or_udaf(), binder.convert(value, typ, &Typ::ubigint())?),
        "my_bit_xor" => (bit_and_or_xor::bit_xor_udaf(), binder.convert(value, typ, &Typ::ubigint())?),
        "my_stddev_pop" => (stddev::stddev_pop_udaf(), number(value)?),
        "my_stddev_samp" => (stddev::stddev_udaf(), number(value)?),
        "my_var_pop" => (variance::var_pop_udaf(), number(value)?),
        "my_var_samp" => (variance::var_samp_udaf(), number(value)?),
        "my_group_concat" => {
            let out = Typ::text_in(typ.collation.clone());
            (string_agg::string_agg_udaf(), binder.convert(value, typ, &out)?)
        }
        other => return Err(Error::internal(format!("no aggregate {other}"))),
    };
    params.args = std::iter::once(value).chain(args).collect();
    Ok((function, params))
}

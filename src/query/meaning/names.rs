//! Which functions may a statement call, and what are they here?

use super::error::unsupported;
use super::syntax::{call, shifted, text, truth};
use crate::error::{Error, Kind, Result};
use crate::query::functions::spec;
use datafusion::sql::sqlparser::ast::*;

/// Window functions that are DataFusion's own.
pub(super) const WINDOWS: &[&str] = &[
    "row_number",
    "rank",
    "dense_rank",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "cume_dist",
    "percent_rank",
];

/// Functions that are called as they are: `name` is `my_name`.
const PLAIN: &[&str] = &[
    "abs",
    "acos",
    "adddate_",
    "ascii",
    "asin",
    "atan",
    "atan2",
    "bin",
    "bit_count",
    "bit_length",
    "ceil",
    "char_length",
    "concat",
    "concat_ws",
    "connection_id",
    "conv",
    "cos",
    "cot",
    "crc32",
    "curdate",
    "database",
    "date_format",
    "datediff",
    "day",
    "dayname",
    "dayofweek",
    "dayofyear",
    "degrees",
    "elt",
    "exp",
    "field",
    "find_in_set",
    "floor",
    "format",
    "from_days",
    "from_unixtime",
    "greatest",
    "hex",
    "hour",
    "insert",
    "instr",
    "last_day",
    "least",
    "left",
    "length",
    "ln",
    "locate",
    "log",
    "log10",
    "log2",
    "lower",
    "lpad",
    "ltrim",
    "makedate",
    "maketime",
    "md5",
    "microsecond",
    "minute",
    "mod",
    "month",
    "monthname",
    "nullif",
    "oct",
    "ord",
    "period_add",
    "period_diff",
    "pi",
    "pow",
    "quarter",
    "quote",
    "radians",
    "repeat",
    "replace",
    "reverse",
    "right",
    "round",
    "rpad",
    "rtrim",
    "sec_to_time",
    "second",
    "sha1",
    "sha2",
    "sign",
    "sin",
    "space",
    "sqrt",
    "strcmp",
    "substring",
    "substring_index",
    "tan",
    "time_to_sec",
    "timediff",
    "to_days",
    "to_seconds",
    "truncate",
    "unhex",
    "unix_timestamp",
    "upper",
    "user",
    "utc_date",
    "version",
    "week",
    "weekday",
    "weekofyear",
    "year",
    "coalesce",
];

const ALIASES: &[(&str, &str)] = &[
    ("ceiling", "ceil"),
    ("character_length", "char_length"),
    ("current_date", "curdate"),
    ("current_user", "user"),
    ("dayofmonth", "day"),
    ("ifnull", "coalesce"),
    ("lcase", "lower"),
    ("mid", "substring"),
    ("nvl", "coalesce"),
    ("octet_length", "length"),
    ("power", "pow"),
    ("schema", "database"),
    ("session_user", "user"),
    ("sha", "sha1"),
    ("substr", "substring"),
    ("system_user", "user"),
    ("ucase", "upper"),
];

fn wrong_count(name: &str) -> Error {
    Error::new(Kind::BadValue, format!("Incorrect parameter count in the call to native function '{name}'"))
}

/// A call in the statement as a call of ours. Its arguments are rewritten already.
pub(super) fn function(f: &mut Function) -> Result<Expr> {
    let name = f.name.to_string().replace('`', "").to_lowercase();
    if name.starts_with("my_") {
        // what the dialect or this pass made
        return Ok(Expr::Function(f.clone()));
    }
    let (mut args, distinct, clauses) = arguments(f)?;
    let plain = f.over.is_none() && f.filter.is_none() && f.null_treatment.is_none() && f.within_group.is_empty();
    if let Some(e) = aggregate(&name, f, &mut args, distinct, &clauses)? {
        return Ok(e);
    }
    if WINDOWS.contains(&name.as_str()) {
        return window(&name, f, args);
    }
    if !plain || distinct || !clauses.is_empty() {
        return Err(unsupported(format!("this form of the function {name}")));
    }
    if let Some(e) = special(&name, &mut args)? {
        return Ok(e);
    }
    let canonical = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name.as_str(), |(_, n)| n);
    let ours = PLAIN.contains(&canonical).then(|| spec(&format!("my_{canonical}"))).flatten();
    let Some(ours) = ours else {
        return Err(Error::new(
            Kind::UnknownFunction,
            format!("FUNCTION {name} does not exist, or is not carried by pcloud"),
        )
        .hint("docs/sql.md lists the functions."));
    };
    if !(ours.least..=ours.most).contains(&args.len()) || (name == "ifnull" || name == "nvl") && args.len() != 2 {
        return Err(wrong_count(&name));
    }
    Ok(call(ours.name, args))
}

fn arguments(f: &mut Function) -> Result<(Vec<Expr>, bool, Vec<FunctionArgumentClause>)> {
    let list = match &mut f.args {
        FunctionArguments::None => return Ok((Vec::new(), false, Vec::new())),
        FunctionArguments::Subquery(_) => return Err(unsupported(format!("{} of a query", f.name))),
        FunctionArguments::List(list) => list,
    };
    let distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
    let mut args = Vec::new();
    for arg in list.args.drain(..) {
        args.push(match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => e,
            // COUNT(*) counts rows
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => Expr::Value(Value::Number("1".into(), false).into()),
            other => return Err(unsupported(format!("the argument {other}"))),
        });
    }
    Ok((args, distinct, std::mem::take(&mut list.clauses)))
}

fn one(name: &str, args: &mut Vec<Expr>) -> Result<Expr> {
    match (args.pop(), args.is_empty()) {
        (Some(e), true) => Ok(e),
        _ => Err(wrong_count(name)),
    }
}

/// Functions that need more than another name.
fn special(name: &str, args: &mut Vec<Expr>) -> Result<Option<Expr>> {
    let take_all = |args: &mut Vec<Expr>| std::mem::take(args);
    Ok(Some(match name {
        "if" if args.len() == 3 => {
            let mut args = take_all(args);
            let condition = truth(args.remove(0));
            args.insert(0, condition);
            call("my_if", args)
        }
        "nvl2" if args.len() == 3 => {
            let mut args = take_all(args);
            let condition = Expr::IsNotNull(Box::new(args.remove(0)));
            args.insert(0, condition);
            call("my_if", args)
        }
        "isnull" => Expr::IsNull(Box::new(one(name, args)?)),
        "date" => call("my_cast_date", vec![one(name, args)?]),
        "time" => call("my_time", vec![one(name, args)?]),
        "timestamp" => call("my_timestamp", vec![one(name, args)?]),
        "date_add" | "date_sub" | "adddate" | "subdate" if args.len() == 2 => {
            let (interval, date) = (args.remove(1), args.remove(0));
            let minus = name.ends_with("sub") || name.starts_with("sub");
            match interval {
                Expr::Interval(_) => shifted(date, interval, minus)?,
                days if name.ends_with("date") => {
                    call(if minus { "my_date_sub" } else { "my_date_add" }, vec![date, days, text("DAY")])
                }
                _ => return Err(unsupported(format!("{name} without INTERVAL"))),
            }
        }
        "timestampadd" | "timestampdiff" if args.len() == 3 => {
            let unit = args.remove(0).to_string().to_uppercase();
            let unit = unit.strip_prefix("SQL_TSI_").unwrap_or(&unit).to_string();
            let args = take_all(args);
            match name {
                "timestampadd" => {
                    let [n, date] = <[Expr; 2]>::try_from(args).map_err(|_| wrong_count(name))?;
                    call("my_date_add", vec![date, n, text(unit)])
                }
                _ => call("my_timestampdiff", [vec![text(unit)], args].concat()),
            }
        }
        "trim" => call("my_trim", vec![one(name, args)?, text(" "), text("BOTH")]),
        "rand" | "uuid" | "sleep" | "benchmark" | "get_lock" | "last_insert_id" | "found_rows" | "row_count" => {
            return Err(unsupported(format!("the function {name}")));
        }
        "now" | "current_timestamp" | "localtime" | "localtimestamp" | "sysdate" => fraction("my_now", args)?,
        "curtime" | "current_time" => fraction("my_curtime", args)?,
        "utc_timestamp" => fraction("my_utc_timestamp", args)?,
        "utc_time" => fraction("my_utc_time", args)?,
        "char" => call("my_char", take_all(args)),
        _ => return Ok(None),
    }))
}

/// NOW(), NOW(3)
fn fraction(name: &str, args: &mut Vec<Expr>) -> Result<Expr> {
    let digits = match args.as_slice() {
        [] => "0".to_string(),
        [Expr::Value(ValueWithSpan { value: Value::Number(n, _), .. })] => n.clone(),
        _ => return Err(wrong_count(name.trim_start_matches("my_"))),
    };
    Ok(call(name, vec![text(digits)]))
}

/// Keeps OVER and DISTINCT on a call.
fn over(name: &str, f: &Function, args: Vec<Expr>, distinct: bool) -> Expr {
    let mut e = call(name, args);
    if let Expr::Function(new) = &mut e {
        new.over = f.over.clone();
        if distinct && let FunctionArguments::List(list) = &mut new.args {
            list.duplicate_treatment = Some(DuplicateTreatment::Distinct);
        }
    }
    e
}

fn number(n: &str) -> Expr {
    Expr::Value(Value::Number(n.into(), false).into())
}

fn aggregate(
    name: &str,
    f: &Function,
    args: &mut Vec<Expr>,
    distinct: bool,
    clauses: &[FunctionArgumentClause],
) -> Result<Option<Expr>> {
    let simple = match name {
        "sum" => "my_sum",
        "min" => "my_min",
        "max" => "my_max",
        "count" => "my_count",
        "std" | "stddev" | "stddev_pop" => "my_stddev_pop",
        "stddev_samp" => "my_stddev_samp",
        "variance" | "var_pop" => "my_var_pop",
        "var_samp" => "my_var_samp",
        "bit_and" | "bit_or" | "bit_xor" | "avg" => "",
        "group_concat" => return group_concat(f, args, distinct, clauses).map(Some),
        _ => return Ok(None),
    };
    if f.filter.is_some() || f.null_treatment.is_some() || !f.within_group.is_empty() || !clauses.is_empty() {
        return Err(unsupported(format!("this form of {name}")));
    }
    if name == "count" && args.len() > 1 {
        return Err(unsupported("COUNT(DISTINCT a, b)").hint("Count the rows of (SELECT DISTINCT a, b …)."));
    }
    let arg = one(name, args)?;
    Ok(Some(match name {
        // the same division as the operator's
        "avg" => {
            let sum = over("my_sum", f, vec![arg.clone()], distinct);
            call("my_div", vec![sum, over("my_count", f, vec![arg], distinct)])
        }
        "bit_and" => call("my_coalesce", vec![over("my_bit_and", f, vec![arg], false), number("18446744073709551615")]),
        "bit_or" | "bit_xor" => {
            let zero = call("my_cast_unsigned", vec![number("0")]);
            call("my_coalesce", vec![over(&format!("my_{name}"), f, vec![arg], false), zero])
        }
        "min" | "max" => over(simple, f, vec![arg], false),
        _ => over(simple, f, vec![arg], distinct),
    }))
}

fn group_concat(
    f: &Function,
    args: &mut Vec<Expr>,
    distinct: bool,
    clauses: &[FunctionArgumentClause],
) -> Result<Expr> {
    if distinct || f.over.is_some() || f.filter.is_some() {
        return Err(unsupported("GROUP_CONCAT with DISTINCT or OVER").hint("Take it of a SELECT DISTINCT."));
    }
    let value = if args.len() == 1 { one("group_concat", args)? } else { call("my_concat", std::mem::take(args)) };
    let mut separator = ",".to_string();
    let mut kept = Vec::new();
    for clause in clauses {
        match clause {
            FunctionArgumentClause::OrderBy(_) => kept.push(clause.clone()),
            FunctionArgumentClause::Separator(v) => match &v.value {
                Value::SingleQuotedString(s) | Value::DoubleQuotedString(s) => separator = s.clone(),
                other => return Err(unsupported(format!("SEPARATOR {other}"))),
            },
            other => return Err(unsupported(format!("GROUP_CONCAT with {other}"))),
        }
    }
    let mut e = call("my_group_concat", vec![value, text(separator)]);
    if let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = &mut e {
        list.clauses = kept;
    }
    Ok(e)
}

fn window(name: &str, f: &Function, args: Vec<Expr>) -> Result<Expr> {
    if f.over.is_none() {
        return Err(Error::new(Kind::Syntax, format!("the window function {name} needs OVER (…)")));
    }
    if f.null_treatment.is_some() || f.filter.is_some() {
        return Err(unsupported(format!("this form of {name}")));
    }
    let e = over(name, f, args, false);
    Ok(match name {
        // they are signed in MariaDB
        "row_number" | "rank" | "dense_rank" | "ntile" => call("my_cast_signed", vec![e]),
        "percent_rank" | "cume_dist" => call("my_share", vec![e]),
        _ => e,
    })
}

/// CAST(e AS type).
pub(super) fn type_cast(e: Expr, t: &DataType) -> Result<Expr> {
    let length = |n: Option<&CharacterLength>| match n {
        None => Ok(String::new()),
        Some(CharacterLength::IntegerLength { length, unit: None }) => Ok(length.to_string()),
        Some(other) => Err(unsupported(format!("CHAR({other})"))),
    };
    let fsp = |n: Option<u64>| text(n.unwrap_or(0).to_string());
    Ok(match t {
        DataType::Signed | DataType::SignedInteger | DataType::Int(None) | DataType::Integer(None) => {
            call("my_cast_signed", vec![e])
        }
        DataType::Unsigned | DataType::UnsignedInteger => call("my_cast_unsigned", vec![e]),
        DataType::Char(n) | DataType::Varchar(n) | DataType::Character(n) => {
            call("my_cast_char", vec![e, text(length(n.as_ref())?)])
        }
        DataType::Binary(n) => call("my_cast_binary", vec![e, text(n.map_or(String::new(), |n| n.to_string()))]),
        DataType::Decimal(info) | DataType::Dec(info) => {
            let size = match info {
                ExactNumberInfo::None => "10,0".to_string(),
                ExactNumberInfo::Precision(p) => format!("{p},0"),
                ExactNumberInfo::PrecisionAndScale(p, s) => format!("{p},{s}"),
            };
            call("my_cast_decimal", vec![e, text(size)])
        }
        DataType::Double(_) | DataType::DoublePrecision => call("my_cast_double", vec![e]),
        DataType::Date => call("my_cast_date", vec![e]),
        DataType::Datetime(n) => call("my_cast_datetime", vec![e, fsp(*n)]),
        DataType::Time(n, _) => call("my_cast_time", vec![e, fsp(*n)]),
        other => return Err(unsupported(format!("CAST … AS {other}"))),
    })
}

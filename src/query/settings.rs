//! What does SET change? Variables, the session's moment, the next transaction.

use super::answer::Answer;
use super::bind::lex_mode;
use super::constant;
use super::lexer::{Lexeme, tokenize};
use super::session::Session;
use super::statement::{characteristics, session_moment};
use super::system::{Assignment, NewValue, Scope, SetStatement};
use crate::error::{Error, Kind, Result};
use crate::model::{ColumnType, MomentSpec, Value};
use tokio_util::sync::CancellationToken;

/// The session's moment, as a variable.
const AS_OF: &str = "pcloud_as_of";

impl Session {
    /// Carries out a SET. An error in one assignment leaves those before it done, as in MySQL.
    pub(super) async fn set(
        &mut self,
        set: SetStatement,
        parameters: &[Value],
        cancel: CancellationToken,
    ) -> Result<Answer> {
        let mut rest = parameters;
        for assignment in set.assignments {
            // each value is a text of its own, with its own first `?`
            let used = self.placeholders(&assignment)?;
            self.assign(assignment, rest, &cancel).await?;
            rest = rest.get(used..).unwrap_or_default();
        }
        Ok(Answer::done())
    }

    fn placeholders(&self, assignment: &Assignment) -> Result<usize> {
        let text = match assignment {
            Assignment::Variable { value: NewValue::Expression(text), .. }
            | Assignment::User { value: NewValue::Expression(text), .. }
            | Assignment::Transaction { rest: text, .. } => text,
            _ => return Ok(0),
        };
        Ok(tokenize(text, lex_mode(self.state.variables.sql_mode()))?.placeholders)
    }

    async fn assign(&mut self, assignment: Assignment, parameters: &[Value], cancel: &CancellationToken) -> Result<()> {
        match assignment {
            Assignment::Variable { scope, name, value } if name.eq_ignore_ascii_case(AS_OF) => {
                if scope == Scope::Global {
                    return Err(Error::new(Kind::Usage, format!("{AS_OF} is a SESSION variable")));
                }
                self.set_as_of(value, parameters).await
            }
            Assignment::Variable { scope, name, value } => {
                let value = match value {
                    NewValue::Default => return self.state.variables.set_default(scope, &name),
                    NewValue::Word(word) => Value::Text(word),
                    NewValue::Expression(text) => self.evaluate(&text, parameters, cancel).await?.1,
                };
                self.state.variables.set(scope, &name, &value)?;
                // turning autocommit on ends the transaction
                if name.eq_ignore_ascii_case("autocommit") && self.state.variables.autocommit() {
                    self.state.transaction = None;
                }
                Ok(())
            }
            Assignment::User { name, value } => {
                let (kind, value) = match value {
                    NewValue::Expression(text) => self.evaluate(&text, parameters, cancel).await?,
                    NewValue::Word(text) => self.evaluate(&text, parameters, cancel).await?,
                    NewValue::Default => return Err(Error::new(Kind::Syntax, format!("@{name} has no DEFAULT"))),
                };
                self.state.variables.set_user(&name, kind, value);
                Ok(())
            }
            Assignment::Names { charset, collation } => {
                self.state.variables.set_names(charset.as_deref(), collation.as_deref())
            }
            Assignment::CharacterSet(charset) => self.state.variables.set_character_set(charset.as_deref()),
            Assignment::Transaction { scope, rest } => self.set_transaction(scope, &rest, parameters).await,
        }
    }

    async fn set_transaction(&mut self, scope: Option<Scope>, rest: &str, parameters: &[Value]) -> Result<()> {
        let tokens = tokenize(rest, lex_mode(self.state.variables.sql_mode()))?.list;
        let context = self.context(Some(parameters), &[]).await?;
        let Some(spec) = context.with_constants(rest, |constants| characteristics(&tokens, constants))? else {
            return Ok(());
        };
        if scope.is_some() {
            return Err(Error::new(Kind::Unsupported, "SET SESSION TRANSACTION … AS OF is not supported")
                .hint(format!("SET {AS_OF} = … sets the moment of all that follows; SET TRANSACTION … AS OF that of the next transaction.")));
        }
        if self.state.transaction.is_some() {
            return Err(Error::new(
                Kind::Usage,
                "Transaction characteristics can't be changed while a transaction is in progress",
            ));
        }
        self.known(&spec).await?;
        self.state.next_as_of = Some(spec);
        Ok(())
    }

    /// SET pcloud_as_of = expr | 'moment' | DEFAULT
    async fn set_as_of(&mut self, value: NewValue, parameters: &[Value]) -> Result<()> {
        let text = match value {
            NewValue::Default => None,
            NewValue::Word(word) if word.eq_ignore_ascii_case("NULL") => None,
            NewValue::Word(word) if word.eq_ignore_ascii_case("LATEST") => Some("'latest'".to_string()),
            NewValue::Word(text) | NewValue::Expression(text) => Some(text),
        };
        let text = text.filter(|t| !t.eq_ignore_ascii_case("NULL"));
        let Some(text) = text else {
            self.state.as_of = None;
            self.state.variables.tell(AS_OF, "");
            return Ok(());
        };
        let tokens = tokenize(&text, lex_mode(self.state.variables.sql_mode()))?.list;
        let context = self.context(Some(parameters), &[]).await?;
        let spec = context.with_constants(&text, |constants| match tokens.as_slice() {
            [token] if matches!(token.lexeme, Lexeme::Text(_) | Lexeme::Variable(_)) => {
                let text = constant::text(&tokens, &mut 0, constants)?.unwrap_or_default();
                session_moment(&text, constants)
            }
            _ => {
                let mut at = 0;
                let time = constant::instant(&tokens, &mut at, constants)?;
                match time {
                    Some(time) if at == tokens.len() => Ok(MomentSpec::At(time)),
                    _ => Err(Error::new(Kind::BadValue, format!("{text} is no moment"))),
                }
            }
        })?;
        self.known(&spec).await?;
        let shown = match &spec {
            MomentSpec::Latest => "latest".to_string(),
            MomentSpec::At(time) => time.to_string(),
            MomentSpec::Gtid(gtid) => format!("gtid:{gtid}"),
            MomentSpec::BeforeGtid(gtid) => format!("before gtid:{gtid}"),
            MomentSpec::Seq(seq) => format!("seq:{seq}"),
        };
        self.state.variables.tell(AS_OF, shown);
        self.state.as_of = Some(spec);
        Ok(())
    }

    /// A moment that the current cluster does not hold is refused when it is set. Errors: `OutOfRange`.
    async fn known(&self, spec: &MomentSpec) -> Result<()> {
        let context = self.context(Some(&[]), &[]).await?;
        if context.place.cluster().is_ok() {
            context.current_timeline().await?.resolve(spec)?;
        }
        Ok(())
    }

    /// The value of an expression.
    async fn evaluate(
        &self,
        text: &str,
        parameters: &[Value],
        cancel: &CancellationToken,
    ) -> Result<(ColumnType, Value)> {
        let tokens = tokenize(text, lex_mode(self.state.variables.sql_mode()))?.list;
        let long = |n: i64| (ColumnType::Int { bytes: 8, unsigned: false, zerofill: None }, Value::Int(n));
        let simple = match tokens.iter().map(|t| &t.lexeme).collect::<Vec<_>>().as_slice() {
            [Lexeme::Text(text)] => {
                let length = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
                Some((ColumnType::Varchar { length }, Value::Text(text.clone())))
            }
            [Lexeme::Number(n)] => n.parse().ok().map(long),
            [Lexeme::Symbol("-"), Lexeme::Number(n)] => format!("-{n}").parse().ok().map(long),
            _ => None,
        };
        if let Some(simple) = simple {
            return Ok(simple);
        }
        let sql = format!("SELECT {text}");
        let tokens = tokenize(&sql, lex_mode(self.state.variables.sql_mode()))?.list;
        let context = self.context(Some(parameters), &[]).await?;
        context.plan(&sql, tokens).await?.value(cancel.clone()).await
    }
}

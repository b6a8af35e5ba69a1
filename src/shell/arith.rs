//! Arithmetic: `$((…))`, `((…))`, indices (bash(1), "ARITHMETIC EVALUATION"). 64-bit integers that
//! wrap around.

use super::state::Shell;
use super::{parse, word};
use brush_parser::arithmetic;
use brush_parser::ast::{
    ArithmeticExpr, ArithmeticTarget, BinaryOperator, UnaryAssignmentOperator, UnaryOperator,
};
use std::future::Future;
use std::pin::Pin;

/// How far variables may refer to one another.
const DEEPEST: usize = 64;

/// What an expression comes to.
///
/// # Errors
/// What is wrong with it, in the shell's words.
pub fn evaluate<'a>(
    shell: &'a mut Shell,
    text: &'a str,
) -> Pin<Box<dyn Future<Output = Result<i64, String>> + 'a>> {
    Box::pin(async move {
        parse::check(text)?;
        let expanded = word::text(shell, text).await.map_err(|e| e.text)?;
        let trimmed = expanded.trim();
        if trimmed.is_empty() {
            return Ok(0);
        }
        let expr = arithmetic::parse(trimmed).map_err(|_| {
            format!("{trimmed}: syntax error: operand expected (error token is \"{trimmed}\")")
        })?;
        value(shell, &expr, 0)
    })
}

fn value(shell: &mut Shell, expr: &ArithmeticExpr, depth: usize) -> Result<i64, String> {
    if depth > DEEPEST {
        return Err("expression recursion level exceeded".to_owned());
    }
    let depth = depth + 1;
    Ok(match expr {
        ArithmeticExpr::Literal(n) => *n,
        ArithmeticExpr::Reference(target) => read(shell, target, depth)?,
        ArithmeticExpr::UnaryOp(op, e) => {
            let n = value(shell, e, depth)?;
            match op {
                UnaryOperator::UnaryPlus => n,
                UnaryOperator::UnaryMinus => n.wrapping_neg(),
                UnaryOperator::BitwiseNot => !n,
                UnaryOperator::LogicalNot => i64::from(n == 0),
            }
        }
        ArithmeticExpr::BinaryOp(BinaryOperator::LogicalAnd, a, b) => {
            i64::from(value(shell, a, depth)? != 0 && value(shell, b, depth)? != 0)
        }
        ArithmeticExpr::BinaryOp(BinaryOperator::LogicalOr, a, b) => {
            i64::from(value(shell, a, depth)? != 0 || value(shell, b, depth)? != 0)
        }
        ArithmeticExpr::BinaryOp(op, a, b) => {
            let (a, b) = (value(shell, a, depth)?, value(shell, b, depth)?);
            binary(op, a, b)?
        }
        ArithmeticExpr::Conditional(test, a, b) => {
            let chosen = if value(shell, test, depth)? != 0 { a } else { b };
            value(shell, chosen, depth)?
        }
        ArithmeticExpr::Assignment(target, e) => {
            let n = value(shell, e, depth)?;
            write(shell, target, n, depth)?
        }
        ArithmeticExpr::BinaryAssignment(op, target, e) => {
            let (a, b) = (read(shell, target, depth)?, value(shell, e, depth)?);
            let n = binary(op, a, b)?;
            write(shell, target, n, depth)?
        }
        ArithmeticExpr::UnaryAssignment(op, target) => {
            let before = read(shell, target, depth)?;
            let (after, result) = match op {
                UnaryAssignmentOperator::PrefixIncrement => (before.wrapping_add(1), before.wrapping_add(1)),
                UnaryAssignmentOperator::PrefixDecrement => (before.wrapping_sub(1), before.wrapping_sub(1)),
                UnaryAssignmentOperator::PostfixIncrement => (before.wrapping_add(1), before),
                UnaryAssignmentOperator::PostfixDecrement => (before.wrapping_sub(1), before),
            };
            write(shell, target, after, depth)?;
            result
        }
    })
}

fn binary(op: &BinaryOperator, a: i64, b: i64) -> Result<i64, String> {
    use BinaryOperator as B;
    Ok(match op {
        B::Power if b < 0 => return Err("exponent less than 0".to_owned()),
        B::Power => a.wrapping_pow(u32::try_from(b).unwrap_or(u32::MAX)),
        B::Multiply => a.wrapping_mul(b),
        B::Divide | B::Modulo if b == 0 => return Err("division by 0 (error token is \"0\")".to_owned()),
        B::Divide => a.wrapping_div(b),
        B::Modulo => a.wrapping_rem(b),
        B::Comma => b,
        B::Add => a.wrapping_add(b),
        B::Subtract => a.wrapping_sub(b),
        B::ShiftLeft => a.wrapping_shl(b as u32),
        B::ShiftRight => a.wrapping_shr(b as u32),
        B::LessThan => i64::from(a < b),
        B::LessThanOrEqualTo => i64::from(a <= b),
        B::GreaterThan => i64::from(a > b),
        B::GreaterThanOrEqualTo => i64::from(a >= b),
        B::Equals => i64::from(a == b),
        B::NotEquals => i64::from(a != b),
        B::BitwiseAnd => a & b,
        B::BitwiseXor => a ^ b,
        B::BitwiseOr => a | b,
        B::LogicalAnd => i64::from(a != 0 && b != 0),
        B::LogicalOr => i64::from(a != 0 || b != 0),
    })
}

fn read(shell: &mut Shell, target: &ArithmeticTarget, depth: usize) -> Result<i64, String> {
    let text = match target {
        ArithmeticTarget::Variable(name) => shell.get(name),
        ArithmeticTarget::ArrayElement(name, index) => {
            let n = value(shell, index, depth)?;
            match shell.variables.get(name).map(|v| &v.value) {
                Some(super::state::Value::Array(all)) => all.get(&n).cloned(),
                Some(super::state::Value::Text(text)) if n == 0 => Some(text.clone()),
                _ => None,
            }
        }
    };
    let Some(text) = text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()) else { return Ok(0) };
    if let Ok(n) = text.parse() {
        return Ok(n);
    }
    // A variable that holds an expression is one.
    parse::check(&text)?;
    let expr = arithmetic::parse(&text)
        .map_err(|_| format!("{text}: syntax error in expression (error token is \"{text}\")"))?;
    value(shell, &expr, depth)
}

fn write(shell: &mut Shell, target: &ArithmeticTarget, n: i64, depth: usize) -> Result<i64, String> {
    match target {
        ArithmeticTarget::Variable(name) => shell.set(name, n.to_string())?,
        ArithmeticTarget::ArrayElement(name, index) => {
            let index = value(shell, index, depth)?;
            super::simple::set_element(shell, name, index, n.to_string())?;
        }
    }
    Ok(n)
}

//! A service over the rows of a plan, as a table.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{Column, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::{
    Expr, LogicalPlan, LogicalPlanBuilder, TableProviderFilterPushDown, TableType,
};
use datafusion::physical_expr::{PhysicalExpr, expressions};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;

use crate::exec::SparkExec;
use crate::service::SparkService;

/// The column with the error of each record.
pub(crate) const ERROR: &str = "error";

/// The rows of a plan with the outputs of a service for each: first the plan's columns, then the
/// outputs, then `error`.
///
/// Those columns that the service has as inputs are sent, by their name; it takes its own defaults
/// for the inputs that are not there. The others pass by.
///
/// - Only the outputs that a query uses are computed. A query that uses neither an output nor
///   `error` does not use the service.
/// - Filters on columns of the plan are applied before the service.
/// - A limit ends the input early.
#[derive(Debug)]
pub struct SparkTable {
    plan: LogicalPlan,
    service: SparkService,
    schema: SchemaRef,
    /// The places of the columns that are sent.
    sent: Vec<usize>,
}

impl SparkTable {
    /// The table of a plan's rows.
    ///
    /// # Errors
    ///
    /// If no column of the plan is an input of the service, or a column would be there twice.
    pub fn try_new(plan: LogicalPlan, service: SparkService) -> Result<Self> {
        let columns = Arc::clone(service.columns());
        let is_input = |name: &str| columns.inputs().iter().any(|column| column.name() == name);
        Self::sending(plan, service, is_input)
    }

    /// The same, sending the columns with these names.
    pub(crate) fn sending(
        plan: LogicalPlan,
        service: SparkService,
        is_sent: impl Fn(&str) -> bool,
    ) -> Result<Self> {
        let inputs = plan.schema().fields().clone();
        let sent: Vec<usize> = (0..inputs.len())
            .filter(|place| is_sent(inputs[*place].name()))
            .collect();
        if sent.is_empty() {
            let wanted: Vec<_> = service
                .columns()
                .inputs()
                .iter()
                .map(|it| it.name())
                .collect();
            return plan_err!(
                "none of the columns is an input of the service `{}`, which has `{}`",
                service.locator(),
                wanted.join("`, `")
            );
        }
        let mut fields: Vec<Field> = inputs.iter().map(|field| field.as_ref().clone()).collect();
        let outputs = service.output_schema().fields().iter();
        fields.extend(outputs.map(|field| field.as_ref().clone().with_nullable(true)));
        fields.push(Field::new(ERROR, DataType::Utf8, true));
        for (place, field) in fields.iter().enumerate() {
            let before = &fields[..place];
            if let Some(first) = before.iter().position(|it| it.name() == field.name()) {
                let mend = match first < inputs.len() && !sent.contains(&first) {
                    true => "rename or drop the one of the input",
                    false => "set the `outputs` of the service without it",
                };
                return plan_err!(
                    "the result of the service `{}` would have column `{}` twice; {mend}",
                    service.locator(),
                    field.name()
                );
            }
        }
        Ok(Self {
            plan,
            service,
            schema: Arc::new(Schema::new(fields)),
            sent,
        })
    }

    #[cfg(feature = "codec")]
    pub(crate) fn plan(&self) -> &LogicalPlan {
        &self.plan
    }

    #[cfg(feature = "codec")]
    pub(crate) fn service(&self) -> &SparkService {
        &self.service
    }

    /// The names of the columns that are sent.
    pub(crate) fn sent(&self) -> Vec<String> {
        let name = |place: &usize| self.schema.field(*place).name().clone();
        self.sent.iter().map(name).collect()
    }

    fn inputs(&self) -> usize {
        self.plan.schema().fields().len()
    }

    /// The column of the plan.
    fn column(&self, place: usize) -> Column {
        Column::from(self.plan.schema().qualified_field(place))
    }

    /// The rows with the types that the table declares. An optimizer may choose another encoding of
    /// texts; any other type would be noticed when results are paid for.
    fn declared(&self, plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        use DataType::{LargeUtf8, Utf8, Utf8View};
        let schema = plan.schema();
        let mut columns = Vec::with_capacity(schema.fields().len());
        let mut differs = false;
        for (place, field) in schema.fields().iter().enumerate() {
            let (name, is) = (field.name(), field.data_type());
            let declared = self.schema.field_with_name(name)?.data_type();
            let column: Arc<dyn PhysicalExpr> = Arc::new(expressions::Column::new(name, place));
            let column = match (is, declared) {
                _ if is == declared => column,
                (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => {
                    differs = true;
                    expressions::cast(column, &schema, declared.clone())?
                }
                _ => {
                    return plan_err!(
                        "column `{name}` for the service `{}` is {is} in the plan, and {declared} \
                         by its schema; cast it before",
                        self.service.locator()
                    );
                }
            };
            columns.push((column, name.clone()));
        }
        Ok(match differs {
            true => Arc::new(ProjectionExec::try_new(columns, plan)?),
            false => plan,
        })
    }

    fn is_about_inputs(&self, filter: &Expr) -> bool {
        let columns = filter.column_refs();
        !filter.is_volatile()
            && columns.iter().all(|column| {
                self.schema
                    .index_of(&column.name)
                    .is_ok_and(|place| place < self.inputs())
            })
    }

    /// The filter in terms of the plan's columns.
    fn of_plan(&self, filter: Expr) -> Result<Expr> {
        let filter = filter.transform(|expr| {
            Ok(match expr {
                Expr::Column(column) => {
                    let place = self.schema.index_of(&column.name)?;
                    Transformed::yes(Expr::Column(self.column(place)))
                }
                expr => Transformed::no(expr),
            })
        });
        Ok(filter?.data)
    }
}

#[async_trait]
impl TableProvider for SparkTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let supports = |filter: &&Expr| match self.is_about_inputs(filter) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(supports).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let wanted = projection.unwrap_or(&all);
        let uses_service = wanted.iter().any(|place| *place >= self.inputs());
        // The input has the wanted columns and those that are sent.
        let mut input: Vec<usize> = wanted
            .iter()
            .copied()
            .filter(|place| *place < self.inputs())
            .collect();
        if uses_service {
            input.extend(self.sent.iter().filter(|place| !wanted.contains(place)));
        }
        let mut plan = LogicalPlanBuilder::from(self.plan.clone());
        for filter in filters {
            plan = plan.filter(self.of_plan(filter.clone())?)?;
        }
        plan = plan.project(input.iter().map(|place| Expr::Column(self.column(*place))))?;
        if limit.is_some() {
            plan = plan.limit(0, limit)?;
        }
        let plan = self.declared(state.create_physical_plan(&plan.build()?).await?)?;
        if !uses_service {
            return Ok(plan);
        }
        let wanted = self.schema.project(wanted)?;
        Ok(Arc::new(SparkExec::try_new(
            plan,
            self.service.clone(),
            self.sent(),
            Arc::new(wanted),
        )?))
    }
}

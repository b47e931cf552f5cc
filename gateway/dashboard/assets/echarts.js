// The part of Apache ECharts that static/charts.js uses: hatch_build.py bundles it into one module.
// No aria component: it would overwrite the label that the page itself gives a chart.
import { BarChart, LineChart, SankeyChart } from "echarts/charts";
import { GridComponent, LegendPlainComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

use([
  BarChart,
  LineChart,
  SankeyChart,
  GridComponent,
  LegendPlainComponent,
  TooltipComponent,
  CanvasRenderer,
]);

export { init };

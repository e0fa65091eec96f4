"""The look of the report: one style sheet for screen, telephone and paper."""

STYLE = """
:root { --ink: #1d2733; --soft: #5c6b7c; --line: #dde3ea; --paper: #ffffff; --ground: #f4f6f9;
  --floor: #8b95a1; --logger: #8a6d4b; --baseline: #2f5d8a; --agent: #d9741a; --oracle: #4c9a6a; }
* { box-sizing: border-box; }
html { color-scheme: light; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1020px; margin: 0 auto; padding: 28px 20px 60px; }
header .kicker { color: var(--soft); font-size: 14px; margin: 0 0 6px; }
h1 { font-size: clamp(21px, 3.4vw, 30px); line-height: 1.25; margin: 0 0 12px; font-weight: 650;
  letter-spacing: -0.01em; text-wrap: balance; }
h2 { font-size: 19px; margin: 0 0 4px; font-weight: 650; }
h3 { font-size: 15px; margin: 18px 0 4px; }
p { margin: 6px 0 10px; max-width: 76ch; }
.note { color: var(--soft); font-size: 14px; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 10px;
  padding: 20px 22px; margin-top: 18px; }
.facts { display: flex; flex-wrap: wrap; gap: 10px; margin-top: 16px; }
.fact { background: var(--paper); border: 1px solid var(--line); border-radius: 10px;
  padding: 10px 16px; flex: 1 1 150px; }
.fact b { display: block; font-size: 24px; font-weight: 650; font-variant-numeric: tabular-nums; }
.fact span { color: var(--soft); font-size: 13px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; margin-top: 8px; }
th, td { padding: 6px 10px; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; font-variant-numeric: tabular-nums; }
th { color: var(--soft); font-weight: 600; font-size: 13px; vertical-align: bottom; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
td.text { white-space: normal; min-width: 12ch; }
td i.dot { display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 8px; }
tr.agent td { font-weight: 600; }
td small { color: var(--soft); font-weight: 400; font-size: 12.5px; }
.best { font-weight: 650; }
.floor { --mark: var(--floor); } .logger { --mark: var(--logger); }
.baseline { --mark: var(--baseline); } .agent { --mark: var(--agent); }
.oracle { --mark: var(--oracle); }
i.dot, .bar, .whisker, .point { background: var(--mark); }
.intervals { margin: 14px 0 6px; }
.row { display: grid; grid-template-columns: 168px 1fr 60px; gap: 12px; align-items: center;
  font-size: 14px; min-height: 30px; }
.row .number { text-align: right; font-variant-numeric: tabular-nums; }
.row.agent .name, .row.agent .number { font-weight: 650; }
.track { position: relative; height: 22px; background: var(--ground); border-radius: 4px; }
.track i, .scale i { position: absolute; }
.tick { top: 0; bottom: 0; width: 1px; background: var(--line); }
.bar { top: 5px; bottom: 5px; opacity: 0.16; border-radius: 2px; }
.whisker { top: 9px; height: 4px; border-radius: 2px; opacity: 0.75; }
.point { top: 6px; width: 10px; height: 10px; margin-left: -5px; border-radius: 50%; }
.scale { position: relative; height: 20px; color: var(--soft); font-size: 12.5px; }
.scale i { transform: translateX(-50%); font-style: normal; }
.plot { display: block; width: 100%; height: auto; }
.plot.wide { min-width: 560px; }
.plot text { font-size: 13px; font-family: inherit; }
.plot text.axis { fill: var(--soft); }
.plot text.level { font-size: 12.5px; }
.grid { stroke: var(--line); } .edge { stroke: var(--soft); }
.band { fill: var(--agent); opacity: 0.18; }
.curve { fill: none; stroke: var(--agent); stroke-width: 2.4; stroke-linejoin: round; }
.dots { fill: var(--agent); }
.dots .chosen { fill: var(--paper); stroke: var(--agent); stroke-width: 2.4; }
.smalls { display: grid; grid-template-columns: repeat(auto-fill, minmax(250px, 1fr)); gap: 16px;
  margin-top: 12px; }
.small { margin: 0; }
.small figcaption { font-size: 13.5px; font-weight: 600; margin-bottom: 4px; }
.small .plot { height: 130px; border-radius: 4px; }
.small .under { display: flex; justify-content: space-between; color: var(--soft);
  font-size: 12px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 13px; margin-top: 12px; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 2px;
  margin-right: 6px; }
pre { background: var(--ground); border: 1px solid var(--line); border-radius: 6px; padding: 12px;
  font: 12.5px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-x: auto;
  white-space: pre-wrap; overflow-wrap: anywhere; margin: 8px 0; }
details summary { cursor: pointer; font-weight: 600; font-size: 15px; }
.tag { font-size: 12px; border-radius: 20px; padding: 1px 9px; white-space: nowrap; }
.tag.assumed { background: #fbe9d7; color: #8a4706; }
.tag.estimated { background: #dff0e5; color: #215c38; }
@media (max-width: 620px) {
  main { padding: 18px 12px 40px; } section { padding: 16px 14px; }
  .row { grid-template-columns: 1fr 52px; gap: 2px 10px; margin-bottom: 8px; }
  .row .name { grid-column: 1 / -1; } .row.axis .name { display: none; }
}
@media print {
  body { background: none; font-size: 11pt; } main { max-width: none; padding: 0; }
  section { border: none; padding: 10px 0; break-inside: avoid-page; }
  section.long { break-inside: auto; } h2, h3, .note { break-after: avoid; }
   .scroll { overflow: visible; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
"""

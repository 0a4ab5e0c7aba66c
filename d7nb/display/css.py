"""The stylesheet of all displays; each display contains it once.

Colours come from the notebook where it defines them (JupyterLab's and VS Code's variables), otherwise from the light or
dark scheme of the reader's system. Text and background colour are always set together, so that text stays legible.
Tints are translucent, so they suit both schemes. The stylesheet loads nothing.
"""

from __future__ import annotations

STYLE = """<style>
.d7nb{--d7nb-ink:#1c1e21;--d7nb-paper:#fff;
--d7nb-line:rgba(127,127,127,.42);--d7nb-faint:rgba(127,127,127,.13);--d7nb-tint:rgba(37,211,102,.15);
--d7nb-green:#1f9d55;--d7nb-red:#d64545;--d7nb-amber:#d99000;--d7nb-grey:#8a8f98;--d7nb-blue:#3b82d6}
@media (prefers-color-scheme:dark){.d7nb{--d7nb-ink:#e9ebee;--d7nb-paper:#17191c}}
.d7nb{color:var(--jp-content-font-color1,var(--vscode-editor-foreground,var(--d7nb-ink)));
background:var(--jp-layout-color0,var(--vscode-editor-background,var(--d7nb-paper)));
font-family:var(--jp-content-font-family,inherit);font-size:inherit;line-height:1.45;text-align:left;
padding:.5em .75em;max-width:78em;box-sizing:border-box;overflow-wrap:anywhere}
.d7nb *{box-sizing:border-box}
.d7nb .d7nb-title{font-weight:600;font-size:1.08em;margin:0 0 .2em}
.d7nb .d7nb-aside{opacity:.82}
.d7nb code{font-family:var(--jp-code-font-family,ui-monospace,SFMono-Regular,Menlo,Consolas,monospace);font-size:.94em;
color:inherit;background:var(--d7nb-faint);border-radius:.2em;padding:0 .25em;white-space:pre-wrap}
.d7nb .d7nb-unseen{font-size:.7em;font-weight:600;border:1px solid currentColor;border-radius:.25em;padding:0 .25em;
margin:0 .1em;unicode-bidi:isolate;direction:ltr;white-space:nowrap}
.d7nb .d7nb-more{opacity:.82;font-style:italic;unicode-bidi:isolate;white-space:nowrap}

.d7nb .d7nb-scroll{overflow-x:auto;margin:.6em 0}
.d7nb table.d7nb-table{display:table;table-layout:auto;width:auto;border-collapse:collapse;border:none;margin:0;
font-size:inherit;color:inherit;background:none;overflow-wrap:break-word}
.d7nb table.d7nb-table caption{caption-side:top;text-align:left;font-weight:600;padding:.1em 0 .25em;color:inherit}
.d7nb table.d7nb-table tr,.d7nb table.d7nb-table tr:nth-child(n),.d7nb table.d7nb-table tr:hover{background:none}
.d7nb table.d7nb-table tr>*{text-align:left;vertical-align:top;max-width:32em;min-width:0;white-space:normal;
padding:.22em 1.1em .22em 0;border:none;border-bottom:1px solid var(--d7nb-line);font-weight:400;color:inherit;
background:none;line-height:inherit}
.d7nb table.d7nb-table thead tr>*{font-size:.88em;opacity:.82;border-bottom-width:2px;white-space:nowrap}
.d7nb table.d7nb-table tbody th{font-weight:600;white-space:nowrap}
.d7nb table.d7nb-table tr>.d7nb-n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.d7nb table.d7nb-table tr>.d7nb-cell{min-width:8em}
.d7nb table.d7nb-table tr>.d7nb-own{overflow-wrap:anywhere;min-width:5.4em}
.d7nb table.d7nb-table tr>.d7nb-value{min-width:9em}

.d7nb .d7nb-bar{display:flex;gap:2px;height:.5em;max-width:32em;margin:.5em 0 0;border-radius:.25em;overflow:hidden}
.d7nb .d7nb-bar i{display:block;flex:1 1 0;min-width:4px}
.d7nb .d7nb-dot{display:inline-block;width:.62em;height:.62em;border-radius:50%;margin-right:.5em}
.d7nb .d7nb-good{background:var(--d7nb-green)}.d7nb .d7nb-bad{background:var(--d7nb-red)}
.d7nb .d7nb-doubt{background:var(--d7nb-amber)}.d7nb .d7nb-out{background:var(--d7nb-grey)}
.d7nb .d7nb-wait{background:var(--d7nb-blue)}
.d7nb ul.d7nb-steps{margin:.2em 0 .6em;padding:0 0 0 1.2em;list-style:disc}
.d7nb ul.d7nb-steps li{margin:.25em 0;max-width:62em}

.d7nb .d7nb-messages{display:flex;flex-wrap:wrap;align-items:flex-start;gap:1.1em;margin:.7em 0 .3em}
.d7nb figure.d7nb-message{margin:0;width:21em;max-width:100%;min-width:0}
.d7nb figure.d7nb-message figcaption{font-size:.9em;margin:0 0 .35em;text-align:left;color:inherit}
.d7nb .d7nb-why{display:block;font-weight:600}
.d7nb .d7nb-bubble{border:1px solid var(--d7nb-line);border-radius:.2em .9em .9em .9em;background:var(--d7nb-tint);
max-height:36em;overflow:auto;overflow-wrap:anywhere;width:fit-content;min-width:9em;max-width:100%}
.d7nb .d7nb-bubble>*{padding:.15em 13px;margin:0}
.d7nb .d7nb-bubble>*:first-child{padding-top:.55em}.d7nb .d7nb-bubble>*:last-child{padding-bottom:.55em}
.d7nb .d7nb-text{white-space:pre-wrap}
.d7nb .d7nb-header{font-weight:700}
.d7nb .d7nb-label,.d7nb .d7nb-note,.d7nb .d7nb-footer{font-size:.88em;opacity:.82}
.d7nb .d7nb-label{font-weight:600}
.d7nb .d7nb-note{font-style:italic}
.d7nb .d7nb-empty{font-style:italic;opacity:.82}

.d7nb .d7nb-bubble>.d7nb-media{padding:6px 6px .15em}
.d7nb .d7nb-bubble>.d7nb-media:last-child,.d7nb .d7nb-bubble>.d7nb-cards:last-child{padding-bottom:6px}
.d7nb .d7nb-tile{display:flex;align-items:center;justify-content:center;width:100%;min-width:15em;height:7.2em;
border-radius:.55em;background:var(--d7nb-faint);border:1px solid var(--d7nb-line);font-weight:600;position:relative}
.d7nb .d7nb-card .d7nb-tile,.d7nb .d7nb-contact .d7nb-tile{min-width:0}
.d7nb .d7nb-sticker .d7nb-tile{width:8em;min-width:0;height:8em;border-style:dashed;border-radius:1.2em}
.d7nb .d7nb-tile-video::before{content:"";border:.5em solid transparent;border-left:.85em solid currentColor;
border-right:0;margin-right:.6em}
.d7nb .d7nb-tile-audio,.d7nb .d7nb-tile-document{height:3.1em;justify-content:flex-start;padding:0 .8em;gap:.7em}
.d7nb .d7nb-tile-audio::after{content:"";flex:1;height:.2em;border-radius:.1em;background:currentColor;opacity:.45}
.d7nb .d7nb-tile-document::before{content:"";width:1.15em;height:1.5em;flex:none;border:.13em solid currentColor;
border-radius:.15em .5em .15em .15em}
.d7nb .d7nb-tile-location{background-image:linear-gradient(var(--d7nb-line) 1px,transparent 1px),
linear-gradient(90deg,var(--d7nb-line) 1px,transparent 1px),
linear-gradient(28deg,transparent 47%,var(--d7nb-line) 47%,var(--d7nb-line) 53%,transparent 53%);
background-size:2.4em 2.4em,2.4em 2.4em,100% 100%}
.d7nb .d7nb-pin{display:block;width:1.6em;height:1.6em;border-radius:50% 50% 50% 0;background:#d93b3b;
transform:rotate(-45deg) translate(.3em,-.3em);position:relative}
.d7nb .d7nb-pin::after{content:"";position:absolute;inset:.48em;border-radius:50%;background:#fff}
.d7nb .d7nb-where{font-size:.88em;margin-top:.25em;padding:0 7px}
.d7nb .d7nb-name{font-weight:600}

.d7nb .d7nb-bubble dl{display:grid;grid-template-columns:fit-content(42%) minmax(0,1fr);gap:.2em .8em;margin:0}
.d7nb .d7nb-bubble dl dt,.d7nb .d7nb-bubble dl dd{margin:0;padding:0;float:none;width:auto;color:inherit}
.d7nb .d7nb-bubble dl dt{opacity:.82;font-weight:400;font-size:.93em}
.d7nb .d7nb-bubble .d7nb-cards{display:flex;flex-direction:column;gap:6px;padding:6px}
.d7nb .d7nb-bubble .d7nb-cards>.d7nb-bubble{background:var(--d7nb-faint);border-radius:.6em;max-height:none;width:100%}
.d7nb .d7nb-bubble .d7nb-carousel{flex-direction:row;overflow-x:auto}
.d7nb .d7nb-bubble .d7nb-carousel>.d7nb-bubble{width:13em;flex:none}
.d7nb .d7nb-bubble>ul,.d7nb .d7nb-bubble>ul:last-child{list-style:none;margin:.35em 0 0;padding:0}
.d7nb .d7nb-bubble ul li{margin:0;padding:.4em 13px;border-top:1px solid var(--d7nb-line)}
.d7nb .d7nb-bubble ul.d7nb-buttons li{text-align:center;font-weight:600}
.d7nb .d7nb-does{display:block;font-weight:400;font-size:.86em;opacity:.82}
.d7nb .d7nb-bubble>.d7nb-section{font-weight:600;font-size:.88em;padding-top:.6em;border-top:1px solid var(--d7nb-line)}
.d7nb .d7nb-bubble>.d7nb-section+ul{margin-top:0}.d7nb .d7nb-section+ul>li:first-child{border-top:none;padding-top:.1em}
.d7nb .d7nb-bubble.d7nb-reaction{border-radius:1.4em;width:fit-content}
.d7nb .d7nb-reaction>.d7nb-body{font-size:1.9em;line-height:1.2;text-align:center}
.d7nb .d7nb-bubble.d7nb-sticker{border-style:none;background:none}
</style>
"""

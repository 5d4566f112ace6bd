"""The look of a page: the paper and the ink of light and dark, and where things stand."""

from __future__ import annotations

PAGE = """
:root{color-scheme:light dark;--paper:#ffffff;--ink:#1f2329;--muted:#626973;--grid:#e2e4e8;--card:#f6f7f9}
@media(prefers-color-scheme:dark){:root{--paper:#15181c;--ink:#e6e8eb;--muted:#a0a7b1;--grid:#353b43;--card:#1d2126}}
html{background:var(--paper);color:var(--ink);-webkit-text-size-adjust:100%}
body{margin:0;font:14px/1.5 system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif}
main.smalti{max-width:1400px;margin:0 auto;padding:36px 28px 48px;font-size:14px}
.smalti-dim{opacity:1;color:var(--muted)}
h1{font-size:27px;line-height:1.2;margin:0}
header p{margin:6px 0 0}
h2{font-size:18px;line-height:1.3;margin:0 0 4px;padding-top:14px;border-top:1px solid var(--grid)}
section{margin-top:34px}
section>p{margin:0 0 10px}
.tiles{display:flex;flex-wrap:wrap;gap:10px;margin-top:22px}
.tile{background:var(--card);border-radius:8px;padding:10px 16px;min-width:104px}
.tile b{display:block;font-size:21px;line-height:1.25;font-weight:600}
.tile span{color:var(--muted);font-size:12.5px}
.charts{columns:2;column-gap:14px;margin-top:10px}
.charts figure{margin:0 0 14px;padding:6px;border-radius:8px;border:1px solid var(--grid);break-inside:avoid}
.charts .wide{column-span:all;margin-top:14px}
.charts svg{display:block;width:100%;height:auto;margin:0 auto}
.row{display:flex;gap:18px;padding:12px 0 6px;border-bottom:1px solid var(--grid)}
.row:last-child{border-bottom:0}
.row .name{flex:0 0 172px;min-width:0;overflow-wrap:anywhere}
.row .name .smalti-class{font-weight:600;white-space:normal}
.strip{display:flex;flex-wrap:wrap;gap:14px;min-width:0}
.strip figure{margin:0;width:212px}
.strip img{display:block;max-width:100%;height:auto;border-radius:4px}
.strip figcaption{font-size:12px;line-height:1.4;margin-top:4px;color:var(--muted);overflow-wrap:anywhere}
.strip .file{color:var(--ink)}
footer{margin-top:40px;padding-top:12px;border-top:1px solid var(--grid);color:var(--muted);font-size:12px;
overflow-wrap:anywhere}
@media(max-width:1180px){.charts{columns:1;max-width:800px}}
@media(max-width:760px){main.smalti{padding:20px 14px}.row{flex-wrap:wrap}
.row .name{flex-basis:100%}.strip figure{width:calc(50% - 7px)}}
@media print{:root{--paper:#fff;--ink:#000;--muted:#444;--grid:#ccc;--card:#f4f4f4}figure,.row,tr{break-inside:avoid}}
""".replace("\n", "")

"""The stylesheet and the script of a report's page. The page can be read without the script."""

from __future__ import annotations

from vedette.output.theme import DARK, LIGHT

__all__ = ["SCRIPT", "STYLE"]

# Three times :root outweighs any other choice of colours: paper is white.
_COLOURS = f"""
:root{{color-scheme:light dark;{LIGHT}}}
@media(prefers-color-scheme:dark){{:root:not([data-theme=light]){{{DARK}}}}}
:root[data-theme=dark]{{color-scheme:dark;{DARK}}}:root[data-theme=light]{{color-scheme:light}}
@media print{{:root:root:root{{color-scheme:light;{LIGHT}}}}}
"""

_RULES = """\
*{box-sizing:border-box}html{scroll-padding-top:60px;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--fg);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;font-variant-numeric:tabular-nums}
main{max-width:1180px;margin:0 auto;padding:24px 18px 64px}
h1{font-size:22px;line-height:1.3;margin:0 0 6px;overflow-wrap:anywhere}h2{font-size:17px;margin:34px 0 10px}
h3{font-size:15px;margin:0;overflow-wrap:anywhere}p{margin:4px 0;overflow-wrap:anywhere}
a{color:inherit;text-decoration-color:var(--ref);text-underline-offset:2px}
a:hover{text-decoration-color:currentColor}:focus-visible{outline:2px solid var(--mark);outline-offset:2px}
.skip{position:absolute;left:-9999px}.skip:focus{left:8px;top:8px;background:var(--card);padding:6px 10px}
small{font-size:12px;color:var(--dim)}em{font-style:normal;color:var(--dim)}.dim,.note{color:var(--dim)}
.note{font-size:12.5px}.lead{max-width:100ch}.word{font-weight:700;letter-spacing:.02em}.OK{color:var(--OK)}
.WARN{color:var(--WARN)}.ALARM{color:var(--ALARM)}.UNKNOWN{color:var(--UNKNOWN)}
.findings{margin:0;padding:0;list-style:none;max-width:100ch}
.findings li{display:grid;grid-template-columns:92px 1fr;padding:5px 0;border-bottom:1px solid var(--line)}
.findings li>*{min-width:0;overflow-wrap:anywhere}.findings .word{font-size:12.5px;line-height:22px}
.figs,.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(500px,100%),1fr));gap:14px;
align-items:start}
.col,.fig{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px;min-width:0;
break-inside:avoid}.col{border-left:4px solid var(--line);content-visibility:auto;contain-intrinsic-size:auto 380px}
.col.is-ALARM{border-left-color:var(--ALARM)}.col.is-WARN{border-left-color:var(--WARN)}.col.is-UNKNOWN{border-left-color:var(--UNKNOWN)}
.whole{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px;max-width:760px}
.whole p{font-size:13.5px}
.col:target{outline:2px solid var(--mark);outline-offset:2px}.col p{font-size:13.5px}.col .note{font-size:12px}
.meta{display:flex;flex-wrap:wrap;gap:0 10px;font-size:13px;color:var(--dim)}.meta b{font-weight:600}
svg{display:block;overflow:visible}
svg text{font:11px system-ui,sans-serif;fill:var(--dim);text-anchor:middle;font-variant-numeric:tabular-nums}
svg text.s{text-anchor:start}svg text.e{text-anchor:end}.hist{width:100%;height:130px;margin-top:8px}
path{vector-effect:non-scaling-stroke}path.c{fill:var(--mark);fill-opacity:.42}
path.r{fill:none;stroke:var(--fg);stroke-opacity:.72;stroke-width:1.3}line.a,.ax line{stroke:var(--ref)}
.bars{display:grid;grid-template-columns:minmax(56px,auto) minmax(60px,1fr) auto;gap:0 10px;margin-top:10px}
.bn{max-width:170px;min-width:0;font-size:12.5px}
.bn bdi{display:block;line-height:22px;height:22px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.bars svg{width:100%}.bars ul{margin:0;padding:0;list-style:none;font-size:12.5px;text-align:right}
.bars li{height:22px;line-height:22px;white-space:nowrap}
.bars i{font-style:normal;color:var(--dim);display:inline-block;min-width:58px}
.dist{margin-top:8px;font-size:12.5px;white-space:nowrap}.dist em{white-space:normal}
.dist{display:grid;grid-template-columns:auto minmax(50px,1fr) auto;gap:0 12px;align-items:center;line-height:20px}
.dist div{display:contents}.dot{width:100%;height:20px}.dist span:last-child{text-align:right;white-space:nowrap}
.dot line.c{stroke:var(--mark);stroke-width:2}.dot circle.c{fill:var(--mark)}
.dot line.r{stroke:var(--ref);stroke-width:2}.dot circle.r{fill:var(--card);stroke:var(--ref);stroke-width:1.6}
.dist b{font-weight:600}.dist svg{border-left:1px solid var(--ref)}
.fig{display:grid;grid-template-columns:minmax(84px,auto) minmax(80px,1fr) auto;gap:6px 14px;align-items:center;
align-content:start;font-size:13px}.fig h3,.fig>p{grid-column:1/-1;min-width:0}.fr{display:contents}.fr .dot{height:32px}
.fn{min-width:0;max-width:170px;overflow-wrap:anywhere;line-height:1.3}.fv em{display:inline-block;max-width:250px;
white-space:normal;overflow-wrap:anywhere}.fn div{font-size:12px}.fn b{font-weight:400}
h3 small{font-weight:400;margin-left:4px}.fv div{white-space:nowrap;line-height:1.35}.fv .dim b{font-weight:400}
.ax{width:100%;height:16px}details{margin-top:8px;font-size:13px}details td,details th{padding-right:9px}
summary{cursor:pointer;color:var(--dim)}.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:12.5px}
td,th{padding:3px 12px 3px 0;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap;
font-weight:400;vertical-align:top}th{color:var(--dim)}td:first-child,th:first-child,.t{text-align:left}
.confusion td,.confusion th{padding:4px 8px;vertical-align:middle}
.confusion small{display:block;color:inherit;opacity:.85}
.overview{max-height:336px;overflow:auto;border:1px solid var(--line);border-radius:8px;background:var(--card)}
.overview table{width:100%;font-size:13px}.overview td,.overview th{padding:4px 12px}
.overview tr:last-child td{border:0}
.overview thead th{position:sticky;top:0;background:var(--card);box-shadow:0 1px var(--line);z-index:1}
.overview td:first-child{max-width:300px;overflow:hidden;text-overflow:ellipsis}th button{all:unset;cursor:pointer}
th button:focus-visible{outline:2px solid var(--mark)}th[aria-sort=ascending] button:after{content:" \\25B4"}
th[aria-sort=descending] button:after{content:" \\25BE"}
.controls{display:none;gap:8px 10px;flex-wrap:wrap;align-items:center;padding:10px 0;position:sticky;top:0;
z-index:2;background:var(--bg)}.js .controls{display:flex}
.controls input,.controls select,.controls button,.theme{font:inherit;font-size:13.5px;color:var(--fg);
background:var(--card);border:1px solid var(--ref);border-radius:6px;padding:4px 10px;min-width:0}
.controls input{flex:1 1 180px;max-width:300px}.controls button,.theme{cursor:pointer}
.controls button[aria-pressed=true]{background:var(--fg);color:var(--bg);border-color:var(--fg)}
.theme{display:none;float:right;margin-left:12px}.js .theme{display:block}
.key{display:inline-block;width:14px;height:10px;vertical-align:-1px;margin:0 4px 0 10px;background:var(--mark);
opacity:.6}.key.r{background:none;border:1.4px solid var(--fg);opacity:.8}[hidden]{display:none!important}
@media(max-width:600px){main{padding:16px 12px 48px}h1{font-size:19px}.controls{position:static}
html{scroll-padding-top:8px}.findings li{grid-template-columns:1fr}.fig{grid-template-columns:minmax(0,1fr);gap:2px}
.fr>span:empty{display:none}.fv{margin-bottom:6px}.fn{max-width:none}.bn{max-width:104px}.bars i{min-width:50px}
.controls input{max-width:none}.col{contain-intrinsic-size:auto 420px}}
@media print{@page{size:A4;margin:13mm}body{background:#fff;font-size:11pt}main{max-width:none;padding:0}
.controls,.theme,.skip,summary{display:none!important}.figs{grid-template-columns:1fr}.cards{display:block}
.col{margin-bottom:10px;content-visibility:visible}.overview{max-height:none;overflow:visible}
.scroll{overflow:visible}.overview thead th{position:static}.overview td:first-child,.bn{max-width:150px}
table{font-size:9pt}td,th{padding-right:8px}.overview table{font-size:8pt}.overview td,.overview th{padding:2px 5px}
.overview td.t{white-space:normal}.overview small{font-size:7.5pt}
details::details-content{content-visibility:visible;display:block;block-size:auto}h2{break-after:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}a{text-decoration:none}}
"""

_SHADES = "".join(
    f".confusion .{mark}{level}{{background:color-mix(in srgb,var(--{colour}) {4 * level}%,var(--card))}}"
    for mark, colour in (("g", "mark"), ("b", "ALARM"))
    for level in range(10)
)

STYLE = _COLOURS + _RULES + _SHADES

SCRIPT = """
(()=>{const d=document,r=d.documentElement,$=i=>d.getElementById(i),all=s=>[...d.querySelectorAll(s)];
r.classList.add('js');
const cards=all('.col'),rows=all('#overview tbody tr'),q=$('q'),sort=$('sort'),chips=all('[data-show]');
const names=cards.map(c=>{const b=c.querySelector('h3 bdi');return (b.title||b.textContent).toLowerCase()});
let show='all';
const missing=c=>+(c.dataset.m||-1);
const orders={change:(a,b)=>a-b,name:(a,b)=>names[a]<names[b]?-1:names[a]>names[b]?1:a-b,
missing:(a,b)=>missing(cards[b])-missing(cards[a])||a-b};
function filter(){const text=q.value.toLowerCase();let n=0;
cards.forEach((c,i)=>{const hit=names[i].includes(text)&&(show==='all'||c.dataset.c===show);n+=hit;
c.hidden=!hit;if(rows[i])rows[i].hidden=!hit});
chips.forEach(b=>b.setAttribute('aria-pressed',b.dataset.show===show));
$('count').textContent=n===cards.length?`${n} shown`:`${n} of ${cards.length} shown`}
function order(){const by=cards.map((_,i)=>i).sort(orders[sort.value]);
if(cards.length)cards[0].parentNode.append(...by.map(i=>cards[i]))}
function value(row,k){const c=row.cells[k],t=c.textContent,n=parseFloat(t.replace(/[<>,]/g,''));
return c.className==='t'?t.toLowerCase():isNaN(n)?-Infinity:n}
all('#overview th button').forEach((b,k)=>b.onclick=()=>{const th=b.parentNode,text=th.className==='t',
was=th.getAttribute('aria-sort'),up=was?(was==='ascending'?-1:1):text?1:-1;
all('#overview th').forEach(t=>t.removeAttribute('aria-sort'));
th.setAttribute('aria-sort',up>0?'ascending':'descending');
rows[0]&&rows[0].parentNode.append(...[...rows].sort((a,b)=>{const x=value(a,k),y=value(b,k);return x<y?-up:x>y?up:0}))});
function theme(name){r.dataset.theme=name}
function go(){const h=location.hash.slice(1);
if(/^column-\\d+$/.test(h)){const c=$(h);if(c&&c.hidden){show='all';q.value='';filter();c.scrollIntoView()}return}
const p=new URLSearchParams(h);
if(p.has('q'))q.value=p.get('q');
if(chips.some(b=>b.dataset.show===p.get('show')))show=p.get('show');
if(Object.hasOwn(orders,p.get('sort')??'')){sort.value=p.get('sort');order()}
if(['dark','light'].includes(p.get('theme')))theme(p.get('theme'));
filter()}
q.oninput=filter;sort.onchange=order;
chips.forEach(b=>b.onclick=()=>{show=b.dataset.show;filter()});
$('theme').onclick=()=>theme((r.dataset.theme||(matchMedia('(prefers-color-scheme:dark)').matches?'dark':'light'))==='dark'?
'light':'dark');
addEventListener('keydown',e=>{if(e.key==='/'&&!e.ctrlKey&&!e.metaKey&&!e.altKey&&!/^(INPUT|SELECT|TEXTAREA)$/.test(
e.target.tagName)){e.preventDefault();q.focus()}else if(e.key==='Escape'&&e.target===q){q.value='';filter()}});
let closed=[];
addEventListener('beforeprint',()=>{closed=all('details:not([open])');closed.forEach(e=>e.open=true)});
addEventListener('afterprint',()=>closed.forEach(e=>e.open=false));
addEventListener('hashchange',go);filter();go()})();
"""

#!/bin/sh
# Pictures that scenes.py did not draw: ImageMagick 6 draws these, some from SVG. The results are
# committed, because fonts and versions differ from machine to machine.
# Depth 8: transformers reads 16-bit PNG files without rescaling them to 8 bits.
set -eu
cd "$(dirname "$0")"
convert=${CONVERT:-/usr/bin/convert}

heart() { # centre x, y, scale: a path of two Bezier curves
    echo "translate $1,$2 scale $3,$3 path 'M 0,18 C -10,8 -22,-2 -18,-13 C -14,-22 -3,-20 0,-10 C 3,-20 14,-22 18,-13 C 22,-2 10,8 0,18 Z'"
}
star() { # centre x, y, scale
    echo "translate $1,$2 scale $3,$3 polygon 0,-20 4.9,-6.7 19,-6.2 7.9,2.6 11.8,16.2 0,8.3 -11.8,16.2 -7.9,2.6 -19,-6.2 -4.9,-6.7"
}

# For `make demo`, beside the model: soft paper, four objects.
"$convert" -size 384x384 gradient:'#fffdf7-#f1ede2' \
    -fill '#e5383b' -draw "circle 88,104 88,52" \
    -fill '#ffd60a' -draw "$(star 304 108 2.9)" \
    -fill '#2a6fdb' -draw "rectangle 84,232 178,326" \
    -fill '#8e3bb5' -draw "$(heart 254 284 2.9)" \
    -depth 8 -alpha off -define png:color-type=2 -strip ../../../models/azimuth-tiny/demo.png

"$convert" -size 400x400 xc:white \
    -fill red -draw "rectangle 60,60 150,150" -fill blue -draw "$(star 280 290 3)" -depth 8 -strip two.png

"$convert" -size 300x300 xc:'#f4f4f8' \
    -fill green -draw "circle 70,75 70,35" -fill black -draw "polygon 225,35 265,105 185,105" \
    -fill orange -draw "$(heart 75 215 2)" -fill purple -draw "path 'M 210,180 h 26 v 28 h 28 v 26 h -28 v 28 h -26 v -28 h -28 v -26 h 28 Z'" \
    -depth 8 -strip four.png

# A photograph's proportions and a codec's noise.
"$convert" -size 640x480 xc:'#eeeeee' \
    -fill '#1b9e3e' -draw "rectangle 90,70 200,180" -fill hotpink -draw "$(star 480 330 3.2)" \
    -fill '#2450d0' -draw "$(heart 230 350 3)" -quality 60 -depth 8 -strip photo.jpg

# Wide, from SVG.
cat > wide.svg <<'SVG'
<svg xmlns="http://www.w3.org/2000/svg" width="500" height="300" viewBox="0 0 500 300">
<rect width="500" height="300" fill="#fcfcfc"/>
<circle stroke="none" cx="110" cy="90" r="55" fill="orange"/>
<polygon stroke="none" points="380,150 440,255 320,255" fill="#c81e1e"/>
</svg>
SVG
"$convert" wide.svg -depth 8 -strip wide.png

cat > bars.svg <<'SVG'
<svg xmlns="http://www.w3.org/2000/svg" width="480" height="480" viewBox="0 0 480 480">
<rect width="480" height="480" fill="#ffffff"/>
<g stroke="none">
<rect x="50" y="260" width="70" height="170" fill="#d62828"/>
<rect x="160" y="90" width="70" height="340" fill="#2a9d3c"/>
<rect x="270" y="340" width="70" height="90" fill="#1d4ed8"/>
<rect x="380" y="190" width="70" height="240" fill="#f59e0b"/>
</g>
<rect x="25" y="430" width="440" height="5" fill="#444"/>
</svg>
SVG
"$convert" bars.svg -depth 8 -strip bars.png

"$convert" -size 480x320 xc:'#fafafa' \
    -fill purple -draw "rectangle 60,60 160,290" -fill '#f5d000' -draw "rectangle 190,180 290,290" \
    -fill black -draw "rectangle 320,130 420,290" -depth 8 -strip three-bars.png

"$convert" -size 256x256 xc:white -fill '#1e40c0' -font Palatino-Bold -pointsize 200 -gravity center -annotate 0 7 -depth 8 -strip seven.png
"$convert" -size 256x256 xc:'#f5f0e6' -fill '#b91c1c' -font NewCenturySchlbk-Roman -pointsize 180 -gravity center -annotate 0 3 -depth 8 -strip three.png
"$convert" -size 300x300 xc:white -fill '#6b21a8' -font Courier-Bold -pointsize 220 -gravity center -annotate 0 R -depth 8 -strip letter.png
"$convert" -size 320x320 xc:white -fill '#15803d' -font Helvetica-Bold -pointsize 84 -gravity center -annotate 0 'CAT' -depth 8 -strip word.png

"$convert" -size 512x512 xc:'#f8f8ff' \
    -fill '#e11d48' -draw "circle 110,110 110,60" -fill '#2563eb' -draw "rectangle 310,70 400,160" \
    -fill '#16a34a' -draw "$(star 120 380 3)" -fill '#111111' -draw "$(heart 390 390 3)" \
    -fill '#f97316' -draw "circle 256,256 256,208" -depth 8 -strip five.png

# Outside of what training drew: dark outlines, a dark ground.
"$convert" -size 384x384 xc:white -stroke black -strokewidth 5 \
    -fill red -draw "circle 110,120 110,65" -fill '#22c55e' -draw "rectangle 220,210 320,310" -depth 8 -strip outlined.png
"$convert" -size 384x384 xc:'#202030' \
    -fill '#ff4040' -draw "circle 110,120 110,65" -fill '#40d060' -draw "rectangle 220,210 320,310" -depth 8 -strip dark.png

# Beyond what training drew (beyond.json): more objects than six, overlap, hollow shapes, a strange colour and shape,
# small objects, a word to read, nothing at all, grey photographic clutter.
"$convert" -size 384x384 xc:white -fill red -draw "circle 60,60 60,32 circle 190,60 190,32 circle 320,60 320,32 circle 60,190 60,162" \
    -draw "circle 190,190 190,162 circle 320,190 320,162 circle 60,320 60,292 circle 190,320 190,292" -depth 8 -strip eight.png
"$convert" -size 384x384 xc:white -fill blue -draw "rectangle 100,100 240,240" -fill orange -draw "circle 240,230 240,160" -depth 8 -strip overlap.png
"$convert" -size 384x384 xc:white -fill none -strokewidth 8 -stroke red -draw "circle 110,110 110,50" -stroke blue \
    -draw "rectangle 210,210 330,330" -depth 8 -strip hollow.png
"$convert" -size 384x384 xc:white -fill brown -draw "circle 110,120 110,65" -fill cyan \
    -draw "polygon 230,190 310,190 350,260 310,330 230,330 190,260" -depth 8 -strip strange.png
"$convert" -size 640x640 xc:white -fill red -draw "circle 100,110 100,95" -fill blue -draw "rectangle 500,500 528,528" -depth 8 -strip small.png
"$convert" -size 384x384 xc:'#f4f4f8' -depth 8 -strip empty.png
"$convert" -size 384x384 -seed 7 plasma:gray60-gray95 -fill green -draw "$(star 110 130 2.6)" -fill purple \
    -draw "rectangle 220,210 320,310" -depth 8 -strip clutter.png

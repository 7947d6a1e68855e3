<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="zh_CN" sourcelanguage="en">
  <context>
    <name>napari-intseg</name>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source> min</source>
      <translation> 分钟</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>%v of %m</source>
      <translation>%v/%m</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>%v of %m objects</source>
      <translation>%v/%m 个对象</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>%v of %m places</source>
      <translation>%v/%m 处</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>%v of %m planes</source>
      <translation>%v/%m 个层面</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>%v of %m s</source>
      <translation>%v / %m 秒</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>%v of %m time points</source>
      <translation>%v/%m 个时间点</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>, time point {time} of {count}</source>
      <translation>，时间点 {time}（共 {count} 个）</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>A and B</source>
      <translation>A 和 B</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>A click changes only the region it is about; the rest of the mask stays as it is.</source>
      <translation>点击只改变其所涉区域；掩膜其余部分不变。</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>A first mask by SAM, then exact corrections by the other.</source>
      <translation>先由 SAM 给出掩膜，再由另一个模型精确修正。</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>A flat image has no planes to check; this key is for volumes.</source>
      <translation>平面图像没有需要检查的层面；此按键用于体数据。</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>A good mask from the first click or from a box.</source>
      <translation>第一次点击或一个方框即得到良好的掩膜。</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>A layer with masks, from whichever model or person.</source>
      <translation>含掩膜的图层，来自任意模型或人。</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>A model is being trained.</source>
      <translation>正在训练模型。</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>A model that finds objects without clicks.</source>
      <translation>无需点击即可找到对象的模型。</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>A network of `napari-intseg train --task cloud`, by name or file; empty: points belong to the clicks that are nearest along the cloud.</source>
      <translation>`napari-intseg train --task cloud` 的网络，用名称或文件指定；留空：点归属于沿点云最近的点击。</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>A plane that was looked at once is then ready on another day too, for the same data, window and model. At most {size}; the oldest go first. The choice is remembered.</source>
      <translation>看过的层面在日后也可立即使用（数据、窗位和模型相同时）。最多 {size}；最旧的先删除。此选择会被记住。</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>A positive click or line of one object becomes a negative one of the others on the plane, and all are answered again; one step of undo.</source>
      <translation>一个对象的正点击或正线条成为该平面上其他对象的负点击或负线条，所有对象重新得到答案；可一步撤销。</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>A second model that gets the same clicks, after the first.
Missing weights are fetched or added where the first model is chosen.</source>
      <translation>第二个模型，在第一个之后获得相同的点击。
缺少的权重在选择第一个模型处下载或添加。</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>A small picture of the slice as the model gets it, made when nothing else is to do.</source>
      <translation>模型所得切片的小图，在空闲时生成。</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>A start on any image: cells, organs, photographs; quick on a CPU.</source>
      <translation>适合任何图像的起点：细胞、器官、照片；在 CPU 上也快。</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>A's mask</source>
      <translation>A 的掩膜</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Accept</source>
      <translation>接受</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Add a layer with what the model finds; take objects from it below.</source>
      <translation>添加含模型所找结果的图层；在下方从中取用对象。</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Add a weight file</source>
      <translation>添加权重文件</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Add file…</source>
      <translation>添加文件…</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Added {name}.</source>
      <translation>已添加 {name}。</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Address</source>
      <translation>地址</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>All files (*)</source>
      <translation>所有文件 (*)</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>All images</source>
      <translation>所有图像</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>All images, next and previous, export, close</source>
      <translation>所有图像、前后切换、导出、关闭</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>All models …</source>
      <translation>所有模型…</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>All planes</source>
      <translation>所有层面</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>All time points</source>
      <translation>所有时间点</translation>
    </message>
    <message>
      <location filename="../controllers/propagation.py" />
      <source>All {count} objects are up to date.</source>
      <translation>全部 {count} 个对象均为最新。</translation>
    </message>
    <message>
      <location filename="../layers/labels_layer.py" />
      <source>An answer could not be drawn in {name!r}: {kind}: {error}. Undo and redo draw it again; if it persists, please report this text.</source>
      <translation>结果无法绘制到 {name!r}：{kind}：{error}。撤销再重做可重新绘制；如仍出现，请报告此文本。</translation>
    </message>
    <message>
      <location filename="../controllers/propagation.py" />
      <source>And {n} more objects.</source>
      <translation>以及另外 {n} 个对象。</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>And {n} more.</source>
      <translation>另有 {n} 项。</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Another machine</source>
      <translation>另一台机器</translation>
    </message>
    <message>
      <location filename="../controllers/session_store.py" />
      <source>Another part of the answer, {size:,} px, has no click: right-click on what is not meant.</source>
      <translation>结果中另有一部分（{size:,} px）没有点击：请右键点击不需要的部分。</translation>
    </message>
    <message>
      <location filename="../controllers/session_store.py" />
      <source>Answer in 3-D cancelled; what was given stays. The next click asks for all of it.</source>
      <translation>三维回答已取消；已给出的提示保留。下一次点击会一并询问。</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>Answer {which}</source>
      <translation>结果 {which}</translation>
    </message>
    <message>
      <location filename="../controllers/clicks.py" />
      <source>Answer {which}.</source>
      <translation>结果 {which}。</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Answering in 3-D</source>
      <translation>正在三维回答</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Answers that obey every click; slower.</source>
      <translation>服从每次点击的结果；较慢。</translation>
    </message>
    <message>
      <location filename="../controllers/clicks.py" />
      <source>Arrows move the cursor, with Shift by a pixel; Enter clicks, Shift+Enter clicks beside the object; . and , change the plane. The key that began it ends it.</source>
      <translation>方向键移动光标，按住 Shift 每次一个像素；Enter 点击，Shift+Enter 点击对象之外；. 和 , 切换层面。再按启用它的按键结束。</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>Ask once more, enlarged, in the region between the last click and the nearest one of
the other sign. Such clicks take twice as long.</source>
      <translation>在最后一次点击与最近的相反点击之间的区域放大后再问一次。
此类点击耗时加倍。</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Asking the model …</source>
      <translation>正在询问模型…</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>At the time point in view.</source>
      <translation>当前显示的时间点。</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>At {address}: {error}</source>
      <translation>{address}：{error}</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Authority</source>
      <translation>证书颁发机构</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Axes</source>
      <translation>坐标轴</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>B becomes the model that answers, and its first mask is A's.</source>
      <translation>B 成为应答模型，其首个掩膜为 A 的掩膜。</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>B is at work …</source>
      <translation>B 正在计算…</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>B's mask</source>
      <translation>B 的掩膜</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Back to the bundled model</source>
      <translation>恢复自带模型</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Begin an object; its clicks make one label.</source>
      <translation>新建对象；其点击构成一个标签。</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Begin; you can go on working meanwhile.</source>
      <translation>开始；期间可继续工作。</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Beside the images</source>
      <translation>图像旁边</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Both</source>
      <translation>交集</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Box</source>
      <translation>方框</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Box: drag from corner to corner of the object.</source>
      <translation>方框：从对象的一角拖到另一角。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Bring back what was undone last for the current object alone.</source>
      <translation>恢复当前对象上次撤销的操作。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Bring back what was undone last.</source>
      <translation>恢复上次撤销的操作。</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>Bringing back what was interrupted …</source>
      <translation>正在恢复中断的工作…</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>Brought back {n} action.</source>
      <translation>已恢复 {n} 个操作。</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>Brought back {n} actions.</source>
      <translation>已恢复 {n} 个操作。</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>CSV table</source>
      <translation>CSV 表格</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>CT {name}: level {level:g}, width {width:g} HU</source>
      <translation>CT {name}：窗位 {level:g}，窗宽 {width:g} HU</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Cancel</source>
      <translation>取消</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Cancel goes on with this machine.</source>
      <translation>“取消”会改用本机继续。</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>Cancelled; {what} kept on {planes}.</source>
      <translation>已取消；已在 {planes} 上保留{what}。</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Carry each click to the neighbouring planes as soon as it is answered,
the nearest first; the next click overtakes it.</source>
      <translation>每次点击应答后立即带到相邻层面，
由近及远；下一次点击会取代它。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Carry every object that is not accepted, those found by Find more as well; one undo.</source>
      <translation>传播所有未接受的对象，包括查找到的；可一步撤销。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Carry the object from the planes with clicks to their neighbours, until it ends.</source>
      <translation>将对象从点击过的层面带到相邻层面，直至结束。</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Carry the object from the time point in view to the others, until it is lost.
Time points with clicks stay as they are. Press again to stop.</source>
      <translation>将对象从当前时间点带到其他时间点，直至丢失。
有点击的时间点不变。再按一次停止。</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Certificate</source>
      <translation>证书</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Certificate of this machine.</source>
      <translation>本机的证书。</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Certificate of who signed the others.</source>
      <translation>签发其他证书的机构的证书。</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>Channel {number} of those chosen above.</source>
      <translation>上方所选通道中的第 {number} 个。</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Channels</source>
      <translation>通道</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Choose a file …</source>
      <translation>选择文件…</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>Choose a folder for the model first.</source>
      <translation>请先为模型选择文件夹。</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Choose a folder in which the labels live from now on, written as they change.
Labels of more than 4 GB do so anyway, beside the image's file; they are there again when the image is opened again.</source>
      <translation>选择一个文件夹，标签从此保存在其中，随改随写。
超过 4 GB 的标签本来就如此，位于图像文件旁；再次打开图像时仍在。</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Choose a folder that work is saved in from now on.</source>
      <translation>选择今后保存工作的文件夹。</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Choose a folder …</source>
      <translation>选择文件夹…</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Choose a model</source>
      <translation>选择模型</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Choose a model's folder</source>
      <translation>选择模型文件夹</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Choose a weight file</source>
      <translation>选择权重文件</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Choose file …</source>
      <translation>选择文件…</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Choose the file.</source>
      <translation>选择文件。</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Choose the project's folder; the model is kept there.</source>
      <translation>选择项目文件夹；模型保存在其中。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Choose two or more objects in the table first: hold Ctrl and click on their rows.</source>
      <translation>请先在表格中选择两个或更多对象：按住 Ctrl 点击各行。</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Class</source>
      <translation>类别</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Class of object {label}:</source>
      <translation>对象 {label} 的类别：</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Class…</source>
      <translation>类别…</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Clear</source>
      <translation>清空</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>Click in one to correct it; Undo takes them all back.</source>
      <translation>在其中一个内点击即可修正；撤销会全部取消。</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Click on an object in the image to begin.</source>
      <translation>点击图像中的对象开始。</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Clicks</source>
      <translation>点击</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Clicks correct it.</source>
      <translation>点击即可修正。</translation>
    </message>
    <message>
      <location filename="../layers/image_axes.py" />
      <source>Clicks need a 2-D view: press Ctrl+Y, or the button with the cube, to leave 3-D.</source>
      <translation>点击需要二维视图：按 Ctrl+Y 或立方体按钮退出三维。</translation>
    </message>
    <message>
      <location filename="../layers/image_axes.py" />
      <source>Clicks need a view of two spatial axes: roll the axes until {first} and {second} are shown.</source>
      <translation>点击需要显示两个空间轴：请轮换坐标轴直至显示 {first} 和 {second}。</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Clicks say what belongs to the object, and what does not.</source>
      <translation>点击表示哪些属于该对象，哪些不属于。</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Clicks that a robot user needed until the answer was right: the mean of those until it agreed with yours by 85 % and by 90 % (IoU), ten at most.</source>
      <translation>模拟用户使答案正确所需的点击次数：与您的结果一致到 85 % 和 90 %（IoU）所需次数的平均值，最多十次。</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Close the folder</source>
      <translation>关闭文件夹</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Cloud</source>
      <translation>点云</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Colour and number; a ticked object is accepted: no click changes it.</source>
      <translation>颜色和编号；勾选的对象已被接受：点击不会改变它。</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Colour images whose ground differs from the object, from a box.</source>
      <translation>背景与对象不同的彩色图像，由方框得到。</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Compare</source>
      <translation>比较</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Compare with</source>
      <translation>比较对象</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Connect</source>
      <translation>连接</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Connect without encryption all the same</source>
      <translation>仍然不加密连接</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Connected to {address} again.</source>
      <translation>已重新连接 {address}。</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Connecting</source>
      <translation>正在连接</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Connecting again</source>
      <translation>正在重新连接</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Connecting to {address} …</source>
      <translation>正在连接 {address} …</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Connecting was cancelled; {name} answers.</source>
      <translation>连接已取消；由 {name} 回答。</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Contrast</source>
      <translation>对比度</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>Copying the labels to {name} …</source>
      <translation>正在将标签复制到 {name}…</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>Copying …</source>
      <translation>正在复制…</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Correct the object on the plane in view by moving the vertices of its outline.</source>
      <translation>通过移动轮廓顶点修正当前层面上的对象。</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Cube</source>
      <translation>立方体</translation>
    </message>
    <message>
      <location filename="../controllers/clicks.py" />
      <source>Cursor at row {row}, column {col}, in no object.</source>
      <translation>光标位于第 {row} 行第 {col} 列，不在任何对象内。</translation>
    </message>
    <message>
      <location filename="../controllers/clicks.py" />
      <source>Cursor at row {row}, column {col}, in object {label}.</source>
      <translation>光标位于第 {row} 行第 {col} 列，在对象 {label} 内。</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Cut out</source>
      <translation>抠图</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Cut out…</source>
      <translation>抠图…</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Delete</source>
      <translation>删除</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>Description</source>
      <translation>描述</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Device</source>
      <translation>设备</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Device and memory</source>
      <translation>设备与内存</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Do everything again that was done before the interruption.</source>
      <translation>重新执行中断前的所有操作。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Done</source>
      <translation>完成</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>Done with the outline</source>
      <translation>轮廓完成</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Double-click to name the object.</source>
      <translation>双击为对象命名。</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Double-click to say what it is: all of one kind share a class.</source>
      <translation>双击说明它是什么：同类对象共用一个类别。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Drag a box round the object, from corner to corner.</source>
      <translation>从一角拖到另一角，框住对象。</translation>
    </message>
    <message>
      <location filename="../layers/polygon_editor.py" />
      <source>Drag a vertex to correct the outline; add and remove vertices with napari's tools. Press Done at the end.</source>
      <translation>拖动顶点修正轮廓；用 napari 的工具添加和删除顶点。完成后按“轮廓完成”。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Draw a closed line round the object; with Shift, or after Swap signs, round what does not belong to it.</source>
      <translation>围绕对象画一条闭合线；按住 Shift 或交换正负号后，则围绕不属于对象的部分。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Draw a line on the object; with Shift, or after Swap signs, beside it.</source>
      <translation>在对象上画线；按住 Shift 或交换符号后画在对象外。</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>Draw the outline of an object that is larger than the model's view tile by tile, at
full resolution, blended; smaller ones stay as they are. A click on a large object
then takes as many times longer as there are tiles. Undo takes it back.</source>
      <translation>对大于模型视野的对象，逐块以全分辨率绘制轮廓并融合；
较小的对象不变。点击大对象的耗时按块数增加。
撤销可取消。</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Drop painted pixels</source>
      <translation>放弃手绘像素</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Edit as polygon</source>
      <translation>以多边形编辑</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Either</source>
      <translation>并集</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Even objects with clear edges; has no weights.</source>
      <translation>灰度均匀、边缘清晰的对象；无权重。</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Exact outlines over several clicks.</source>
      <translation>多次点击得到精确轮廓。</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Export</source>
      <translation>导出</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Export labels</source>
      <translation>导出标签</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Export measurements</source>
      <translation>导出测量值</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Export what is done as a training set…</source>
      <translation>将已完成的导出为训练集…</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Export…</source>
      <translation>导出…</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Fetch</source>
      <translation>下载</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Fetching was cancelled; nothing is left behind.</source>
      <translation>下载已取消，没有留下任何文件。</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Fetching weights</source>
      <translation>下载权重</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Fetching weights {key!r} …</source>
      <translation>正在下载权重 {key!r}…</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Few clicks on photographs; the large ones want a GPU.</source>
      <translation>照片上点击次数少；大模型需要 GPU。</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Fill holes</source>
      <translation>填充孔洞</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Fill holes of the object, plane by plane. Undo takes it back.</source>
      <translation>逐层填充对象的孔洞。撤销可取消。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Find more like these</source>
      <translation>查找类似对象</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Find objects</source>
      <translation>查找对象</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Find: a name, a prompt, a licence</source>
      <translation>查找：名称、提示、许可证</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>First plane</source>
      <translation>第一个层面</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Folder for the labels</source>
      <translation>标签文件夹</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Folder of the project</source>
      <translation>项目文件夹</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Folder with images</source>
      <translation>图像文件夹</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Folder …</source>
      <translation>文件夹…</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Follow through time</source>
      <translation>随时间跟踪</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Following through time</source>
      <translation>随时间跟踪</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>For many objects: a left click where there is none begins the next one.
A click inside an object belongs to that one; a right click elsewhere to the current.</source>
      <translation>适用于大量对象：在没有对象处左键点击即开始下一个。
在对象内点击属于该对象；在别处右键点击属于当前对象。</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Forget it</source>
      <translation>放弃</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>GeoJSON in coordinates of the map</source>
      <translation>GeoJSON（地图坐标）</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Give all three files, or none if dask's configuration has them.</source>
      <translation>请给出全部三个文件；若 dask 的配置中已有，则都不给。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Give clicks.</source>
      <translation>给出点击。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Give the current object another number.</source>
      <translation>为当前对象更换编号。</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Give these pixels to the current object; one step of undo.</source>
      <translation>将这些像素归当前对象；可一步撤销。</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Give what is one object at all time points one number, and show the tracks with
divisions and merges. Accepted and locked objects keep their numbers; one undo.</source>
      <translation>将各时间点的同一对象编为同一编号，并显示带有
分裂与合并的轨迹。已接受和已锁定的对象保留编号；可一步撤销。</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Go on from A's mask; clicks that follow correct it.</source>
      <translation>从 A 的掩膜继续；之后的点击对其修正。</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Go on from B's mask; clicks that follow correct it.</source>
      <translation>从 B 的掩膜继续；之后的点击对其修正。</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Go on from this object's mask: clicks correct it.</source>
      <translation>从该对象的掩膜继续：点击对其修正。</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Go on with B from A's mask</source>
      <translation>以 A 的掩膜改用 B 继续</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Go on with clicks that the model's own doubts suggest, until it is unsure. Undo takes them back one at a time.</source>
      <translation>按模型自身疑点建议的点击继续，直至无把握。撤销逐个取消。</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Go on with it</source>
      <translation>继续</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Go to the panel</source>
      <translation>转到面板</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Go to the plane that disagrees most</source>
      <translation>转到分歧最大的层面</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Good for</source>
      <translation>适用于</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Half the width of the band in which the edge may be soft, in pixels (0: none):</source>
      <translation>边缘可柔化带的半宽，单位像素（0：无）：</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Have the bundled model answer again; what was learnt is kept.</source>
      <translation>重新由自带模型应答；所学内容会保留。</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>Have the model answer a first click in several ways, in other sizes as well; step
through them by Next and Previous, as through those of SAM.</source>
      <translation>让模型以多种方式（含不同大小）应答首次点击；
用“下一个”和“上一个”切换，与 SAM 相同。</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Have what was learnt answer clicks, whenever this project is opened.</source>
      <translation>每次打开此项目时由所学模型应答点击。</translation>
    </message>
    <message>
      <location filename="../layers/shapes.py" />
      <source>Hold the mouse button down and drag from corner to corner.</source>
      <translation>按住鼠标键，从一角拖到另一角。</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>How far; at first as far as two planes are apart.</source>
      <translation>距离；初始为两层面间距。</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>How long to learn, by the clock, on one core of a CPU.</source>
      <translation>按时钟计的学习时长，使用处理器的一个核心。</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>How the object is carried from plane to plane.</source>
      <translation>对象如何在层面间传递。</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>How values are shown to the model; what is clicked is answered anew.
Automatic: chosen for you, or as displayed once you set limits or gamma. Layers that
are mixed: as displayed.</source>
      <translation>数值以何种方式呈现给模型；已点击处会重新应答。
自动：由程序选择；您设置了显示范围或伽马后按显示方式。混合的图层：按显示方式。</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Image</source>
      <translation>图像</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Image and model</source>
      <translation>图像与模型</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>Image {number} of {count}: {name}. {done} done, {open} open.</source>
      <translation>第 {number} 幅，共 {count} 幅：{name}。已完成 {done}，未完成 {open}。</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Images of the folder</source>
      <translation>文件夹中的图像</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>In another folder…</source>
      <translation>其他文件夹…</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>In colour</source>
      <translation>彩色显示</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Install it with: pip install 'napari-intseg[{extra}]'</source>
      <translation>安装方式：pip install 'napari-intseg[{extra}]'</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Interactive segmentation</source>
      <translation>交互式分割</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Interpolate shapes between clicked planes, without the model.</source>
      <translation>在点击过的层面之间插值形状，不用模型。</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>Interpolate tilted or uneven slices onto a regular grid</source>
      <translation>将倾斜或不均匀的层面插值到规则网格</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>IoU &lt;b&gt;{iou:.3f}&lt;/b&gt;, Dice &lt;b&gt;{dice:.3f}&lt;/b&gt;, &lt;b&gt;{count:,}&lt;/b&gt; px differ</source>
      <translation>IoU &lt;b&gt;{iou:.3f}&lt;/b&gt;，Dice &lt;b&gt;{dice:.3f}&lt;/b&gt;，&lt;b&gt;{count:,}&lt;/b&gt; px 不同</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>IoU over clicks</source>
      <translation>IoU 随点击数</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>IoU with the truth &lt;b&gt;{iou:.3f}&lt;/b&gt;</source>
      <translation>与参考的 IoU &lt;b&gt;{iou:.3f}&lt;/b&gt;</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>It cannot be fetched; choose a file.</source>
      <translation>无法下载；请选择文件。</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Jump to</source>
      <translation>跳转到</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Keep A</source>
      <translation>保留 A</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Keep B</source>
      <translation>保留 B</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Keep embeddings on disk</source>
      <translation>将嵌入保存到磁盘</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Keep labels on disk: a new folder</source>
      <translation>标签存于磁盘：新文件夹</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Keep labels on disk…</source>
      <translation>将标签存于磁盘…</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Keep on every plane on which the two differ, not only on this one.</source>
      <translation>在两者不同的所有层面上保留，而不仅是当前层面。</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Keep only the largest connected part. Undo takes it back.</source>
      <translation>仅保留最大的连通部分。撤销可取消。</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Keep what is in both masks, the intersection.</source>
      <translation>保留两个掩膜共有的部分（交集）。</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Keep what is in either mask, the union.</source>
      <translation>保留任一掩膜包含的部分（并集）。</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Keeping on all planes</source>
      <translation>在所有层面上保留</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Kept in {folder}</source>
      <translation>保存在 {folder}</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>Kept {what} on {planes} only: something else was done meanwhile. Press the button again for the rest.</source>
      <translation>仅在 {planes} 上保留了{what}：期间进行了其他操作。其余部分请再按一次按钮。</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>Kept {what} on {planes}. Clicks that follow correct it.</source>
      <translation>已在 {planes} 上保留{what}。之后的点击将对其修正。</translation>
    </message>
    <message>
      <location filename="../panels/controls.py" />
      <source>Key: {key}</source>
      <translation>按键：{key}</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Keyboard cursor</source>
      <translation>键盘光标</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Labelling …</source>
      <translation>正在标注…</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Labels</source>
      <translation>标签</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Labels (*{ending})</source>
      <translation>标签 (*{ending})</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Labels are kept in {name}</source>
      <translation>标签保存在 {name}</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Labels are shown as outlines.</source>
      <translation>标签以轮廓显示。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Labels are shown filled.</source>
      <translation>标签以填充显示。</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Labels on the same grid, to measure both models by.</source>
      <translation>同一网格上的标签，用于衡量两个模型。</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Largest part</source>
      <translation>最大部分</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Lasso</source>
      <translation>套索</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Lasso: drag round the object; with Shift, round what is not part of it.</source>
      <translation>套索：围绕对象拖动；按住 Shift 则围绕不属于它的部分拖动。</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Last plane</source>
      <translation>最后一个层面</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Learn</source>
      <translation>学习</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Learn from finished objects</source>
      <translation>从已完成对象学习</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Learn from finished objects…</source>
      <translation>从已完成对象学习…</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>Learning from {name} …</source>
      <translation>正在从 {name} 学习…</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>Learning needs packages that are not installed: pip install 'napari-intseg[torch,train]'</source>
      <translation>学习所需的软件包未安装：pip install 'napari-intseg[torch,train]'</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>Learning was cancelled; nothing changed.</source>
      <translation>学习已取消；没有任何改变。</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Least sure first</source>
      <translation>最无把握者在前</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Leave them</source>
      <translation>保留原样</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>Left click: {sign}</source>
      <translation>左键：{sign}</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Left clicks say what belongs to the object, right clicks what does not.</source>
      <translation>左键点击标出属于对象的部分，右键点击标出不属于的部分。</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Left clicks say what does not belong to the object, right clicks what does.</source>
      <translation>左键点击标出不属于对象的部分，右键点击标出属于的部分。</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>Let the outline evolve on the model's answer and the edges of the image.</source>
      <translation>让轮廓在模型结果和图像边缘上演化。</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Let the outline pass smoothly across planes. Planes with clicks stay as they are.</source>
      <translation>让轮廓在层面间平滑过渡。有点击的层面不变。</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Licence</source>
      <translation>许可证</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Licence: {licence}</source>
      <translation>许可证：{licence}</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Link through time</source>
      <translation>随时间关联</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>Linking cancelled; nothing is changed.</source>
      <translation>关联已取消；未作任何更改。</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>Linking needs an image with several time points; see Axes.</source>
      <translation>关联需要有多个时间点的图像；见“坐标轴”。</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Linking through time</source>
      <translation>正在随时间关联</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Loading {name}</source>
      <translation>加载 {name}</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Loading {name} …</source>
      <translation>正在加载 {name}…</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Lock pixels</source>
      <translation>锁定像素</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Lock the current object</source>
      <translation>锁定当前对象</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Lock the object against further clicks, and go on to the next one.</source>
      <translation>锁定该对象，使其不再受点击影响，并转到下一个对象。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Look for more objects like those on this plane; each becomes an object to correct.</source>
      <translation>在此层面查找类似对象；每个都成为可修正的对象。</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Looking for more</source>
      <translation>查找更多</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Looking for objects</source>
      <translation>正在查找对象</translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>Looking for objects with {name} …</source>
      <translation>正在用 {name} 查找对象…</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>Looking for scans in {name!r} …</source>
      <translation>正在 {name!r} 中查找扫描…</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Make one object of those selected in the table; it keeps the smallest number.</source>
      <translation>将表格中选中的合并为一个；保留最小编号。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Make two objects of one: click in one part, then in the other.</source>
      <translation>一分为二：点击一部分，再点击另一部分。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Mark where the two models disagree most; with one model, where its answer and that on the mirrored image do. The mark is no click.</source>
      <translation>标出两模型分歧最大处；只有一个模型时，标出其结果与镜像图像结果的分歧处。标记不是点击。</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>Masks are being kept already. Wait for them, or cancel.</source>
      <translation>已经在保留掩膜。请等待，或取消。</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>Masks are still being propagated. Wait for them, or cancel.</source>
      <translation>掩膜仍在传播。请等待，或取消。</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>Measured {n} object: {name}{which}.</source>
      <translation>已测量 {n} 个对象：{name}{which}。</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>Measured {n} objects: {name}{which}.</source>
      <translation>已测量 {n} 个对象：{name}{which}。</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Measure…</source>
      <translation>测量…</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>Measuring what the bundled model needs …</source>
      <translation>正在测量自带模型所需的点击次数…</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>Measuring what was learnt …</source>
      <translation>正在测量所学结果…</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>Measuring …</source>
      <translation>正在测量…</translation>
    </message>
    <message>
      <location filename="../qt/worker_thread.py" />
      <source>Memory ran out: {error}. Close other programs, or choose a smaller model or image.</source>
      <translation>内存不足：{error}。请关闭其他程序，或选择较小的模型或图像。</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Merge into object {label}</source>
      <translation>合并到对象 {label}</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Merge objects</source>
      <translation>合并对象</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Mixed into what the model sees, as it is displayed.</source>
      <translation>按显示方式混入模型所见。</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Mixed into what the model sees, in up to {count} colours.</source>
      <translation>混入模型所见，最多 {count} 种颜色。</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>Modality</source>
      <translation>模态</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Model</source>
      <translation>模型</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Models</source>
      <translation>模型</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Models (*.onnx *.yaml *.safetensors);;All files (*)</source>
      <translation>模型 (*.onnx *.yaml *.safetensors);;所有文件 (*)</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>More</source>
      <translation>更多</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Move a cursor by the arrow keys and click by Enter; once more ends it.</source>
      <translation>用方向键移动光标，Enter 点击；再按一次结束。</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Move the contour of every answer onto edges of the image nearby.</source>
      <translation>将每个结果的轮廓移到附近的图像边缘。</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Name</source>
      <translation>名称</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Network</source>
      <translation>网络</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>New folder for a training set</source>
      <translation>训练集的新文件夹</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>New number</source>
      <translation>新编号</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>New number…</source>
      <translation>新编号…</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>New object</source>
      <translation>新建对象</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>New work has begun meanwhile; the earlier work stays saved.</source>
      <translation>期间已开始新的工作；先前的工作仍已保存。</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>New {what} of {name!r} taken back: it lies where {name2!r} does. Set that of the image, and all its layers follow.</source>
      <translation>{name!r} 的新 {what} 已还原：其位置与 {name2!r} 一致。请在图像上设置，其所有图层会随之更新。</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>New {what} of {name!r}: labels and clicks follow.</source>
      <translation>{name!r} 有新的 {what}：标签和点击随之更新。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Next</source>
      <translation>下一个</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Next image</source>
      <translation>下一幅</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Next plane to check</source>
      <translation>下一待查层面</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>No better: nothing changed ({n} objects held out, {before:.1f} clicks each).</source>
      <translation>没有改进：未作更改（留出 {n} 个对象，每个 {before:.1f} 次点击）。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>No click changes it. Untick it to go on with it.</source>
      <translation>点击不会改变它。取消勾选即可继续。</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>No folder is chosen yet.</source>
      <translation>尚未选择文件夹。</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>No folder is open as a queue. Open one from File › IO Utilities.</source>
      <translation>没有以队列方式打开文件夹。请从 File › IO Utilities 打开。</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>No image is chosen. Open an image, then choose it above.</source>
      <translation>未选择图像。请打开图像并在上方选择。</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>No more objects like these were found here.</source>
      <translation>此处没有找到更多类似对象。</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>No point is labelled.</source>
      <translation>没有点被标注。</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>No.</source>
      <translation>编号</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Nothing changes its pixels.</source>
      <translation>其像素不会被改变。</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Nothing changes the pixels of a locked object. Accepted objects are locked by default.</source>
      <translation>锁定对象的像素不会被改变。已接受的对象默认锁定。</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Nothing is split.</source>
      <translation>没有拆分。</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Nothing runs that can be cancelled.</source>
      <translation>没有可取消的运行任务。</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Nothing to propagate yet. Click on the object first.</source>
      <translation>还没有可传播的内容。请先点击对象。</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Now click in the other part of object {label}.</source>
      <translation>现在点击对象 {label} 的另一部分。</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Number format; automatic takes half precision where that is fast.</source>
      <translation>数值格式；自动模式在更快处使用半精度。</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Number of object {chosen}:</source>
      <translation>对象 {chosen} 的编号：</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Object</source>
      <translation>对象</translation>
    </message>
    <message>
      <location filename="../controllers/propagation.py" />
      <source>Object {label} answered in 3-D, {planes} beside plane {number}.</source>
      <translation>对象 {label} 已三维应答，层面 {number} 旁的 {planes}。</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>Object {label} followed to {n} time point.</source>
      <translation>对象 {label} 已跟踪到 {n} 个时间点。</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>Object {label} followed to {n} time points.</source>
      <translation>对象 {label} 已跟踪到 {n} 个时间点。</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Object {label} has no pixels to split. Click on it first.</source>
      <translation>对象 {label} 没有可拆分的像素。请先点击它。</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>Object {label} has not been begun.</source>
      <translation>对象 {label} 尚未开始。</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Object {label} is accepted.</source>
      <translation>对象 {label} 已接受。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Object {label} is accepted. Next: object {object}, still open; New object begins another.</source>
      <translation>对象 {label} 已接受。下一个：对象 {object}，尚未完成；“新建对象”可开始另一个。</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Object {label} is accepted. Next: object {object}.</source>
      <translation>对象 {label} 已接受。下一个：对象 {object}。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Object {label} is nowhere yet: click on it.</source>
      <translation>对象 {label} 尚不存在：请点击它。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Object {label} is object {number} now.</source>
      <translation>对象 {label} 现为对象 {number}。</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Object {label} is open again.</source>
      <translation>对象 {label} 已重新打开。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Object {label} is removed. Undo brings it back.</source>
      <translation>对象 {label} 已移除。撤销可恢复。</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Object {label} is split: object {new} is new.</source>
      <translation>对象 {label} 已拆分：新对象为 {new}。</translation>
    </message>
    <message>
      <location filename="../controllers/propagation.py" />
      <source>Object {label} is up to date.</source>
      <translation>对象 {label} 已是最新。</translation>
    </message>
    <message>
      <location filename="../controllers/propagation.py" />
      <source>Object {label} propagated to {planes}.</source>
      <translation>对象 {label} 已传播到 {planes}。</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Object {label} reaches into {named}; they stay. Take them or leave them.</source>
      <translation>对象 {label} 伸入{named}；这些像素暂不变。请选择取用或保留。</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>Object {label} was tidy already.</source>
      <translation>对象 {label} 已是整洁的。</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Object {label}: click on it.</source>
      <translation>对象 {label}：请点击它。</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Object {label}: clicks go on with it.</source>
      <translation>对象 {label}：点击将继续编辑它。</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>Object {label}: {n} plane tidied.</source>
      <translation>对象 {label}：已清理 {n} 个层面。</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>Object {label}: {n} planes tidied.</source>
      <translation>对象 {label}：已清理 {n} 个层面。</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Object {label}: {words}</source>
      <translation>对象 {label}：{words}</translation>
    </message>
    <message>
      <location filename="../layers/polygon_editor.py" />
      <source>Object {object} has no pixels on this plane. Click on it first.</source>
      <translation>对象 {object} 在此层面没有像素。请先点击它。</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>Object {object}, plane {axis} = {number}, {sure:.0f} % sure; {left} more to check. Click to correct it, then propagate again.</source>
      <translation>对象 {object}，层面 {axis} = {number}，把握 {sure:.0f} %；还有 {left} 个待检查。点击修正后再次传播。</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Object {object}: left click says what belongs to it, right click what does not.</source>
      <translation>对象 {object}：左键点击属于它的部分，右键点击不属于它的部分。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Object {others} is part of object {into} now.</source>
      <translation>对象 {others} 现已并入对象 {into}。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Object {own} is object {label} of {name}. Click to correct it.</source>
      <translation>对象 {own} 即 {name} 中的对象 {label}。点击即可修正。</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Objects</source>
      <translation>对象</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>Objects were changed while they were linked. Link them again.</source>
      <translation>关联期间对象被更改。请重新关联。</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Objects with soft edges; has no weights and learns nothing.</source>
      <translation>边缘柔和的对象；无权重，不经训练。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Objects {others} are part of object {into} now.</source>
      <translation>对象 {others} 现已并入对象 {into}。</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Of the open image, and of all images of the folder that are done; {least} at least. A third of them, at most 12, is only measured.</source>
      <translation>来自打开的图像和文件夹中所有已完成的图像；至少 {least} 个。其中三分之一（最多 12 个）仅用于测量。</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>One object from a box and a click inside, then corrections.</source>
      <translation>由方框和其中一次点击得到一个对象，然后修正。</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>One object from a loose box.</source>
      <translation>由宽松的方框得到一个对象。</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>One object from four extreme points.</source>
      <translation>由四个极值点得到一个对象。</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Only before the first click: clicks, labels and undo belong to this layer.
To change it now, duplicate the labels, remove both layers of this image, and take
the duplicate up again by Start from masks.</source>
      <translation>只能在第一次点击之前：点击、标签和撤销都属于此图层。
若现在要更改，请先复制标签图层，删除此图像的两个图层，
再通过“从掩膜开始”重新采用副本。</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Only in region</source>
      <translation>仅在区域内</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Only inside</source>
      <translation>仅在其内</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Open an image to begin, or try a sample: File › Open Sample.</source>
      <translation>请先打开一幅图像，或试用示例：File › Open Sample。</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>Open scan</source>
      <translation>打开扫描</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>Open scan: folder with DICOM files</source>
      <translation>打开扫描：DICOM 文件夹</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Open the next image; of this one nothing is saved, and it is not asked for again.</source>
      <translation>打开下一幅图像；此图像不保存任何内容，也不再出现。</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Open, accepted, locked, or failed; hover to read why.</source>
      <translation>进行中、已接受、已锁定或失败；悬停可查看原因。</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>Opening {name} …</source>
      <translation>正在打开 {name}…</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Organs and lesions in CT, MR and ultrasound, from a box.</source>
      <translation>由方框分割 CT、MR 和超声中的器官与病灶。</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Organs and lesions in whole CT and MR volumes at once.</source>
      <translation>一次分割整个 CT 和 MR 三维体中的器官与病灶。</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Other objects' pixels</source>
      <translation>其他对象的像素</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Others' pixels</source>
      <translation>他者像素</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Outlines</source>
      <translation>轮廓</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Paper: {paper}</source>
      <translation>论文：{paper}</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Photographs with one main object, which the first click names.</source>
      <translation>有一个主要对象的照片，由第一次点击指定。</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Pictures (*.png)</source>
      <translation>图片 (*.png)</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Planes to look at, the least sure first. Choose one to see it.</source>
      <translation>待查看的层面，最无把握者在前。选择即可查看。</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Point cloud</source>
      <translation>点云</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Points in a cube of this edge round a click are of its sign, in the cloud's unit.</source>
      <translation>点击周围以此为边长的立方体内的点与该点击同号；单位同点云。</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Precision</source>
      <translation>精度</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>Press Use it to have it answer clicks.</source>
      <translation>按“使用”由其应答点击。</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Press to show or fold the choices.</source>
      <translation>按此显示或折叠选项。</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>Press to swap the two.</source>
      <translation>按此交换两者。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Previous</source>
      <translation>上一个</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Previous image</source>
      <translation>上一幅</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Private key</source>
      <translation>私钥</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Prompts</source>
      <translation>提示</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Prompts here that {name} does not take are left out.</source>
      <translation>此处 {name} 不接受的提示将被忽略。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Propagate</source>
      <translation>传播</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Propagate all</source>
      <translation>全部传播</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Propagate at most so far from a clicked plane; 0: no limit.</source>
      <translation>从点击层面最多传播多远；0 为不限。</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Propagate within these planes only, both included; numbers are the slider's.</source>
      <translation>仅在这些层面内传播（含两端）；编号与滑块一致。</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Propagating</source>
      <translation>传播</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>Propagation and smoothing keep the spacing with which they were begun here; remove the Labels layer to begin anew with the new one.</source>
      <translation>传播和平滑仍使用开始时的间距；如需使用新间距，请移除标签图层重新开始。</translation>
    </message>
    <message>
      <location filename="../controllers/propagation.py" />
      <source>Propagation cancelled; {planes} done and kept.</source>
      <translation>传播已取消；已完成并保留 {planes}。</translation>
    </message>
    <message>
      <location filename="../controllers/propagation.py" />
      <source>Propagation ended because its layers were removed.</source>
      <translation>传播已结束，因为其图层被移除。</translation>
    </message>
    <message>
      <location filename="../controllers/propagation.py" />
      <source>Propagation ended because object {label} was removed.</source>
      <translation>传播已结束，因为对象 {label} 被移除。</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Propagation needs clicks in a volume. Choose a 3-D image.</source>
      <translation>传播需要在体数据中点击。请选择三维图像。</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Put B's next answer in place.</source>
      <translation>换成 B 的下一个结果。</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Put B's previous answer in place.</source>
      <translation>换成 B 的上一个结果。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Put the answer before it in place.</source>
      <translation>换成上一个结果。</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Put the images that are left in an order by the model's doubt.</source>
      <translation>按模型的疑虑程度排列剩余图像。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Put the model's next answer in place.</source>
      <translation>换成模型的下一个结果。</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Reach</source>
      <translation>范围</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>Reading {slices} slices …</source>
      <translation>正在读取 {slices} 个层面…</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>Redo</source>
      <translation>重做</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Redo object</source>
      <translation>重做对象</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>Redo {what}</source>
      <translation>重做{what}</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Redo: {title}.</source>
      <translation>重做：{title}。</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Refine by graph cut</source>
      <translation>图割细化</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Refused, since tcp:// to another machine is not encrypted: whoever is on the way reads the images, and can run programs on both machines. Use certificates and tls://, or an SSH tunnel: ssh -L 8786:127.0.0.1:8786 HOST, then tcp://127.0.0.1:8786.</source>
      <translation>已拒绝：到另一台机器的 tcp:// 没有加密，途中的任何人都能读取图像，并能在两台机器上运行程序。请使用证书和 tls://，或使用 SSH 隧道：ssh -L 8786:127.0.0.1:8786 HOST，然后填写 tcp://127.0.0.1:8786。</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>Remarks</source>
      <translation>备注</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Remove all embeddings in the folder; nothing else is touched.</source>
      <translation>移除文件夹中的所有嵌入；不触及其他内容。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Remove object</source>
      <translation>移除对象</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Remove the current object with its clicks and its mask. Undo brings it back.</source>
      <translation>移除当前对象及其点击和掩膜。撤销可恢复。</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Remove what was saved of that work.</source>
      <translation>移除该工作已保存的内容。</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Rename…</source>
      <translation>重命名…</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Reopen</source>
      <translation>重新打开</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Replace the file?</source>
      <translation>替换文件？</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Right-click an object for what can be done with it.</source>
      <translation>右键点击对象可查看可用操作。</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Right-click on what does not belong to it.</source>
      <translation>在不属于它的部分点击右键。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Save the labels so far, and open the image before.</source>
      <translation>保存当前标签，打开上一幅图像。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Save the labels so far, and open the next image that is open; this one stays open.</source>
      <translation>保存当前标签，打开下一幅未完成的图像；本幅仍未完成。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Save the labels, and open the next image.</source>
      <translation>保存标签，打开下一幅图像。</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Save work elsewhere …</source>
      <translation>另存工作…</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Save work in</source>
      <translation>工作保存于</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Scribble</source>
      <translation>涂画</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Scribble: drag along the object; with Shift, along what is not part of it.</source>
      <translation>涂画：沿对象拖动；按住 Shift 则沿不属于它的部分拖动。</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>Search cancelled; nothing was found so far.</source>
      <translation>搜索已取消，尚未找到任何对象。</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Segment</source>
      <translation>分割</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Select points of the cloud, then say what they are on.</source>
      <translation>先选择点云中的点，再说明它们在什么上面。</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Selected points are not</source>
      <translation>所选的点不在其上</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Selected points are on it</source>
      <translation>所选的点在其上</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Several with commas between them: nucleus, cytoplasm.</source>
      <translation>多个词用逗号分隔：nucleus, cytoplasm。</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Share clicks on this plane</source>
      <translation>共享此平面的点击</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Show all channels at once: a layer for each, added up in colour, in place of this
one. The model then sees the mix that is displayed.</source>
      <translation>同时显示所有通道：每个通道一个图层，以彩色叠加，取代此图层。
模型随后看到的就是所显示的混合。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Show labels as outlines, or filled again.</source>
      <translation>以轮廓显示标签，或恢复填充。</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>Show the model noisy slices with less noise; others stay as they are. The image on
the canvas is never changed. Undo takes it back.</source>
      <translation>向模型呈现降噪后的含噪层面；其他不变。
画布上的图像不会改变。撤销可取消。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Show the plane that is least sure: of the object, then of the others not accepted.</source>
      <translation>显示最无把握的层面：先当前对象，再其他未接受的对象。</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Size</source>
      <translation>大小</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Skip</source>
      <translation>跳过</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>Slices</source>
      <translation>层数</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Small, quick corrections, also on a CPU.</source>
      <translation>快速的小修正，在 CPU 上也可以。</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Smooth</source>
      <translation>平滑</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Smooth and simplify all outlines that are not accepted or locked, now and from now on.
All the way left they are as the model gave them. Every export has them as seen.</source>
      <translation>平滑并简化所有未接受、未锁定的轮廓，现在及以后均有效。
最左端为模型给出的原样。所有导出与所见一致。</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Smooth outlines</source>
      <translation>平滑轮廓</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Smooth, compact objects, from four extreme points.</source>
      <translation>由四个极值点得到平滑紧凑的对象。</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>Spacing (mm)</source>
      <translation>间距 (mm)</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Split by two clicks</source>
      <translation>两次点击拆分</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Split object {label}: click in one part, then in the other.</source>
      <translation>拆分对象 {label}：先点击一部分，再点击另一部分。</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Start from</source>
      <translation>起始图层</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Start from masks</source>
      <translation>从掩膜开始</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>State</source>
      <translation>状态</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Still wanted here: {wanted}.</source>
      <translation>此处还需要：{wanted}。</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Stop following</source>
      <translation>停止跟踪</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Stop learning; nothing changes.</source>
      <translation>停止学习；不作任何更改。</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Stop linking</source>
      <translation>停止关联</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Stop what is under way; what is done is kept.</source>
      <translation>停止正在进行的操作；已完成的保留。</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>Stopped after {n} click.</source>
      <translation>已在 {n} 次点击后停止。</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>Stopped after {n} clicks.</source>
      <translation>已在 {n} 次点击后停止。</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>Such a file holds neither the spacing nor the place of the image.</source>
      <translation>此类文件不含图像的间距和位置。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Suggest next click</source>
      <translation>建议下一次点击</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Suggested clicks</source>
      <translation>建议的点击</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>Suggested: click at the yellow ring, left if it belongs to the object and right if it does not.</source>
      <translation>建议：点击黄色圆环处；属于对象点左键，不属于点右键。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Swap signs</source>
      <translation>交换符号</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Swap what a left and a right click say.</source>
      <translation>交换左键和右键的含义。</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>TIFF holds the spacing, but not the place and direction of the image.</source>
      <translation>TIFF 含图像的间距，但不含其位置和方向。</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Take</source>
      <translation>取用</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Take a weight file that you have; it is told by its content.</source>
      <translation>使用您已有的权重文件；按内容识别。</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Take all</source>
      <translation>全部取用</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Take back the last action for the current object alone; others stay as they are.</source>
      <translation>仅撤销当前对象的上一操作；其他不变。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Take back the last click, propagation or object.</source>
      <translation>撤销上一次点击、传播或对象。</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Take every object of the layer, each as one of its own.</source>
      <translation>取用图层中的所有对象，各自独立。</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Take the keys to the panel, where they were last; once more, or Escape, takes them back to the image.</source>
      <translation>将键盘焦点移到面板中上次所在的位置；再按一次或按 Escape 回到图像。</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Take the last click back</source>
      <translation>收回最后一次点击</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>Take the polygon away; the mask stays as it is.</source>
      <translation>移除多边形；掩膜保持不变。</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Take them</source>
      <translation>取用</translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>Take them below, then click where one is wrong.</source>
      <translation>请在下方取用，并在有误处点击。</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>That is not in object {label}. Click inside it, once in each part.</source>
      <translation>该处不在对象 {label} 内。请在其内部每部分各点击一次。</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>That was the last image: all are done or skipped.</source>
      <translation>这是最后一幅图像：全部已完成或跳过。</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>The Points layer whose points are labelled.</source>
      <translation>要标注其点的 Points 图层。</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>The answer reaches into {named}.</source>
      <translation>结果伸入{named}。</translation>
    </message>
    <message>
      <location filename="../controllers/clicks.py" />
      <source>The arrow keys are napari's again.</source>
      <translation>方向键已交还 napari。</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>The colour in which the model sees channel {number} of those chosen.</source>
      <translation>模型看到所选第 {number} 个通道的颜色。</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>The comparison ended meanwhile.</source>
      <translation>比较已在此期间结束。</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>The connection to {address} is lost: trying again.</source>
      <translation>与 {address} 的连接已断开：正在重试。</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>The data of {name!r} was replaced</source>
      <translation>{name!r} 的数据已被替换</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>The file {path} could not be removed: {err}.</source>
      <translation>无法移除文件 {path}：{err}。</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>The folder cannot be used: {error}. Choose another.</source>
      <translation>无法使用该文件夹：{error}。请另选一个。</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>The folder holds these series. Which one is to be opened?</source>
      <translation>文件夹含有以下序列。要打开哪一个？</translation>
    </message>
    <message>
      <location filename="../layers/image_axes.py" />
      <source>The image is given data of other axes. Press New object to start on that.</source>
      <translation>图像获得了不同坐标轴的数据。请按“新建对象”重新开始。</translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>The image is gone; what was found is left out.</source>
      <translation>图像已不存在，找到的结果被舍弃。</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>The image layer to segment. It is never changed.</source>
      <translation>要分割的图像图层。不会被改动。</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>The image layer {name!r} was removed</source>
      <translation>图像图层 {name!r} 已被移除</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>The images that are left are looked at in the background; the least sure comes first.</source>
      <translation>剩余图像将在后台查看；最无把握者在前。</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>The interrupted work is kept: it is offered again when the image is opened anew.</source>
      <translation>中断的工作已保留：重新打开图像时会再次提供。</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>The key that belongs to the certificate.</source>
      <translation>与证书对应的密钥。</translation>
    </message>
    <message>
      <location filename="../panels/controls.py" />
      <source>The key {key} means something else here.</source>
      <translation>按键 {key} 在此另有用途。</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>The labels are kept in {path}.</source>
      <translation>标签保存在 {path}。</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>The labels layer {name!r} was removed</source>
      <translation>标签图层 {name!r} 已被移除</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>The labels of {name} are kept: open it again from All images to save them.</source>
      <translation>{name} 的标签已保留：请从“所有图像”中重新打开它以保存。</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>The labels were removed while they were copied.</source>
      <translation>标签在复制期间被移除。</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>The layer {name!r} was removed, so the comparison has ended. Choose a second model to begin again.</source>
      <translation>图层 {name!r} 已被移除，比较随之结束。请选择第二个模型重新开始。</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>The model does not see {name!r} yet: tick it under Channels.</source>
      <translation>模型尚未看到 {name!r}：请在“通道”下勾选。</translation>
    </message>
    <message>
      <location filename="../qt/worker_thread.py" />
      <source>The model failed: {kind}: {error}. Choose another model or device; if it persists, please report it with this text.</source>
      <translation>模型出错：{kind}：{error}。请更换模型或设备；如仍出现，请附此文本报告。</translation>
    </message>
    <message>
      <location filename="../controllers/clicks.py" />
      <source>The model gave one answer here. SAM and its kin give several after a single click; other models do with *several answers* ticked, among what the model sees.</source>
      <translation>模型在此只给出一个结果。SAM 及同类模型在单次点击后会给出多个结果；其他模型需在“模型所见”中勾选*多个结果*。</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>The model is not there yet.</source>
      <translation>模型尚未就绪。</translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>The model is not there yet. Wait until it is.</source>
      <translation>模型尚未就绪，请稍候。</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>The model sees the plane before in red, this one in green, the next in blue (2.5-D).</source>
      <translation>模型看到前一层面为红色、当前为绿色、后一层面为蓝色（2.5 维）。</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>The model that answers clicks.</source>
      <translation>应答点击的模型。</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>The model that learnt from this project's objects is used.</source>
      <translation>正在使用从此项目的对象学习的模型。</translation>
    </message>
    <message>
      <location filename="../controllers/clicks.py" />
      <source>The object is accepted. Untick it in the list to go on with it.</source>
      <translation>该对象已被接受。在列表中取消勾选即可继续编辑。</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>The object that the clicks are for.</source>
      <translation>点击所属的对象。</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>The object's label in that layer: hover over it to see it.</source>
      <translation>该对象在图层中的标签：悬停可查看。</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>The other objects keep these pixels, as they do until you answer.</source>
      <translation>其他对象保留这些像素，在您答复之前亦如此。</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>The plane in sight at all time points. A model for videos sees them together; of others an object goes on where it overlaps itself.</source>
      <translation>所有时间点上当前显示的层面。视频模型会一起查看它们；对于其他模型，对象在与自身重叠处延续。</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>The points layer {name!r} was removed</source>
      <translation>点图层 {name!r} 已被移除</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>The second model gave one answer here. SAM and its kin give several.</source>
      <translation>第二个模型在此只给出一个结果。SAM 及同类模型会给出多个。</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>The value of this channel that the model sees as bright.</source>
      <translation>模型视为亮的该通道数值。</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>The value of this channel that the model sees as dark.</source>
      <translation>模型视为暗的该通道数值。</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>The vertices beside one that is moved go with it, and to the edge of the image there.</source>
      <translation>被移动顶点两侧的顶点随之移动，并贴合图像边缘。</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>The weights {file} are not here yet.</source>
      <translation>权重 {file} 尚不在本机。</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>There are no labels to keep yet. Begin an object first.</source>
      <translation>还没有标签。请先新建对象。</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>There are no labels yet. Begin an object and click on it first.</source>
      <translation>还没有标签。请先新建对象并点击。</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>There are no outlines yet. Click on an object.</source>
      <translation>还没有轮廓。请点击一个对象。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>There is an object {number} already. Choose another number, or select both rows and merge them.</source>
      <translation>已有对象 {number}。请选择其他编号，或选中两行进行合并。</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>There is no DICOM image in {name!r}. Choose another folder.</source>
      <translation>{name!r} 中没有 DICOM 图像。请选择其他文件夹。</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>There is no answer to doubt yet. Click first.</source>
      <translation>还没有可供质疑的结果。请先点击。</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>There is no disagreement on this plane, hence no click to suggest.</source>
      <translation>两者在此层面一致，因此没有可建议的点击。</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>There is no object to give a number to yet.</source>
      <translation>还没有可编号的对象。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>There is no object to remove yet.</source>
      <translation>还没有可移除的对象。</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>There is no object to split yet. Click on one first.</source>
      <translation>还没有可拆分的对象。请先点击一个。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>There is no object yet. Press New object, then click.</source>
      <translation>还没有对象。请按“新建对象”，然后点击。</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>There is no other image in that direction.</source>
      <translation>该方向上没有其他图像。</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>There is no plane to check yet. Propagate first.</source>
      <translation>还没有需要检查的层面。请先传播。</translation>
    </message>
    <message>
      <location filename="../controllers/clicks.py" />
      <source>There is nothing of that kind here.</source>
      <translation>此处没有这类内容。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>There is nothing to accept yet. Click on the object first.</source>
      <translation>还没有可接受的内容。请先点击对象。</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>There is nothing to export yet. Click on an object first.</source>
      <translation>还没有可导出的内容。请先点击一个对象。</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>There is nothing to follow: click on an object in a time series.</source>
      <translation>没有可跟踪的对象：请在时间序列中点击一个对象。</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>There is nothing to go by yet. Click on an object or two first.</source>
      <translation>还没有可参照的对象。请先点击一两个对象。</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>There is nothing to go by yet. Click on the object first.</source>
      <translation>还没有可依据的内容。请先点击对象。</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>There is nothing to hand over yet. Choose a second model, then click.</source>
      <translation>还没有可移交的内容。请先选择第二个模型，再点击。</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>There is nothing to keep yet. Choose a second model, then click.</source>
      <translation>还没有可保留的内容。请先选择第二个模型，再点击。</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>There is nothing to keep: that mask is empty here.</source>
      <translation>没有可保留的内容：该掩膜在此为空。</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>There is nothing to link yet: no object has a pixel.</source>
      <translation>还没有可关联的内容：没有对象含有像素。</translation>
    </message>
    <message>
      <location filename="../controllers/view_settings.py" />
      <source>There is nothing to look at yet. Begin an object first.</source>
      <translation>还没有可查看的内容。请先新建对象。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>There is nothing to protect yet. Begin an object first.</source>
      <translation>还没有可保护的内容。请先新建对象。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>There is nothing to redo of object {label}.</source>
      <translation>对象 {label} 没有可重做的操作。</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>There is nothing to redo.</source>
      <translation>没有可重做的操作。</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>There is nothing to suggest yet. Click on the object first.</source>
      <translation>还没有可建议的内容。请先点击对象。</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>There is nothing to tidy yet. Click on the object first.</source>
      <translation>还没有可清理的内容。请先点击对象。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>There is nothing to undo of object {label}.</source>
      <translation>对象 {label} 没有可撤销的操作。</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>There is nothing to undo.</source>
      <translation>没有可撤销的操作。</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>This object</source>
      <translation>当前对象</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Time</source>
      <translation>时间</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Too large to be counted while you work; Measure counts it.</source>
      <translation>过大，工作时无法计数；“测量”会进行计数。</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Train the bundled model on the objects that you have finished, and see how many clicks that saves on others of them.</source>
      <translation>用您已完成的对象训练自带模型，并查看在其余对象上节省多少次点击。</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Truth</source>
      <translation>参考</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>Undo</source>
      <translation>撤销</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Undo object</source>
      <translation>撤销对象</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>Undo {what}</source>
      <translation>撤销{what}</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Undo: {title}.</source>
      <translation>撤销：{title}。</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Unlock pixels</source>
      <translation>解锁像素</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Use</source>
      <translation>使用</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Use a weight file that you have already.</source>
      <translation>使用您已有的权重文件。</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Use it</source>
      <translation>使用</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Very exact outlines over many clicks.</source>
      <translation>多次点击得到非常精确的轮廓。</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Volume</source>
      <translation>体数据</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Volumes: all planes are answered together.</source>
      <translation>三维体：所有平面一起给出结果。</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Weight files ({endings})</source>
      <translation>权重文件 ({endings})</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Weights: {size:g} MB, licence {licence}</source>
      <translation>权重：{size:g} MB，许可证 {licence}</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>What happens to pixels of other objects that an answer reaches into. Locked objects keep theirs in any case.</source>
      <translation>结果伸入其他对象时如何处理其像素。锁定的对象始终保留。</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>What it was trained on; micro-sam: cells and nuclei.</source>
      <translation>其训练所用的对象；micro-sam：细胞和细胞核。</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>What the leading axes of the image are.</source>
      <translation>图像前几个轴的含义。</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>What the model sees</source>
      <translation>模型所见</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>What was given: clicks, boxes, scribbles, lassos, or a mask to start from.</source>
      <translation>已给出的提示：点击、方框、涂画、套索或起始掩膜。</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>What you painted or erased by hand is kept when further clicks come. This lets the model's answers count again there.</source>
      <translation>手工绘制或擦除的内容在后续点击中会保留。此操作让模型结果在该处重新生效。</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Where `napari-intseg serve` runs; it prints the address.</source>
      <translation>运行 `napari-intseg serve` 的地方；它会打印地址。</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Where are the labels to be saved?</source>
      <translation>标签保存到哪里？</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Where it runs; automatic takes a GPU if there is one.</source>
      <translation>运行设备；自动模式优先使用 GPU。</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Where to keep embeddings</source>
      <translation>嵌入的保存位置</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>Which of the model's answers is in place, and how good it thinks.</source>
      <translation>当前采用模型的哪个结果，及其自评质量。</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Which of the second model's answers is in place.</source>
      <translation>当前采用第二个模型的哪个结果。</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>Without pixels, and so not in the file: {names}.</source>
      <translation>没有像素，因此未写入文件：{names}。</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Words</source>
      <translation>文字</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>Work is saved in {folder} from now on.</source>
      <translation>工作今后保存在 {folder}。</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>Work on this image was interrupted: {n} action, on {when}.</source>
      <translation>此图像上的工作曾中断：{n} 个操作，时间 {when}。</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>Work on this image was interrupted: {n} actions, the last on {when}.</source>
      <translation>此图像上的工作曾中断：{n} 个操作，最后一个在 {when}。</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Write a table of all objects: volume or area, largest diameter, mean and standard deviation of the image, in physical units.</source>
      <translation>写出所有对象的表格：体积或面积、最大直径、图像均值和标准差，采用物理单位。</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Write only inside the shapes or labels of this layer.</source>
      <translation>仅在该图层的形状或标签内写入。</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Write only where this object is: its pixels are taken from it.</source>
      <translation>仅写入该对象所在处：取用其像素。</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Write the labels to a file, with the geometry of the image as far as the format holds it.</source>
      <translation>将标签写入文件，并在格式允许的范围内带上图像的几何信息。</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Writing a file</source>
      <translation>正在写入文件</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>Writing the training set …</source>
      <translation>正在写入训练集…</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>Writing {name} was cancelled; nothing has changed.</source>
      <translation>已取消写入 {name}；没有任何改变。</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>Writing {name} …</source>
      <translation>正在写入 {name}…</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>Wrote {name} and others, {count} time points.</source>
      <translation>已写入 {name} 等，共 {count} 个时间点。</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>Wrote {name}{which}.</source>
      <translation>已写入 {name}{which}。</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>abdomen</source>
      <translation>腹部</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>accepted</source>
      <translation>已接受</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>angio</source>
      <translation>血管造影</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>answer in 3-D</source>
      <translation>三维应答</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>answered in {ms:.0f} ms</source>
      <translation>{ms:.0f} ms 应答</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>as chosen earlier</source>
      <translation>沿用先前选择</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>as displayed</source>
      <translation>按显示</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>as far as it goes</source>
      <translation>尽可能远</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>ask me</source>
      <translation>询问我</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>automatic</source>
      <translation>自动</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>belongs to the object</source>
      <translation>属于对象</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>between clicked planes only, by shape</source>
      <translation>仅在点击层面间按形状</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>blue</source>
      <translation>蓝</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>bone</source>
      <translation>骨</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>both</source>
      <translation>两者</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>box</source>
      <translation>方框</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>brain</source>
      <translation>脑</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>by the model's memory of all planes</source>
      <translation>借助模型对所有层面的记忆</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>channels</source>
      <translation>通道</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>channels, planes</source>
      <translation>通道、层面</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>channels, time points</source>
      <translation>通道、时间点</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>channels, time points, planes</source>
      <translation>通道、时间点、层面</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>clicks</source>
      <translation>点击</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>clicks change their region only</source>
      <translation>点击仅改变其区域</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>cyan</source>
      <translation>青</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>does not belong to the object</source>
      <translation>不属于对象</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>each click begins an object</source>
      <translation>每次点击新建一个对象</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>early stroke</source>
      <translation>早期卒中</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>everywhere</source>
      <translation>任意处</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>extreme points</source>
      <translation>极值点</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>failed</source>
      <translation>失败</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>fixed range</source>
      <translation>固定范围</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>fixed range for each channel</source>
      <translation>各通道固定范围</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>float32, exact</source>
      <translation>float32，精确</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>from </source>
      <translation>从 </translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>from each plane to its neighbour</source>
      <translation>从每个层面到相邻层面</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>full range</source>
      <translation>全范围</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>full resolution for large objects</source>
      <translation>大对象使用全分辨率</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>give way, unless locked</source>
      <translation>让出，锁定除外</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>green</source>
      <translation>绿</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>grey</source>
      <translation>灰</translation>
    </message>
    <message>
      <location filename="../layers/image_axes.py" />
      <source>image cannot be segmented: expected 2 to 4 axes and channels, got {ndim} in {name!r}. Split the layer first (Layers › Split stack).</source>
      <translation>无法分割该图像：应为 2 至 4 个轴和通道，{name!r} 有 {ndim} 个。请先拆分图层（Layers › Split stack）。</translation>
    </message>
    <message>
      <location filename="../layers/image_axes.py" />
      <source>image cannot be segmented: expected at most 4 axes of an RGB image, got {ndim} in {name!r}. Split the layer first (Layers › Split stack).</source>
      <translation>无法分割该图像：RGB 图像最多 4 个轴，{name!r} 有 {ndim} 个。请先拆分图层（Layers › Split stack）。</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>keep theirs</source>
      <translation>保留各自像素</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>label</source>
      <translation>标签</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>labels are not written over something: expected a new name, got {path!r}. Choose another name.</source>
      <translation>标签不会覆盖已有内容：应为新名称，实际为 {path!r}。请另取名称。</translation>
    </message>
    <message>
      <location filename="../storage/disk_folders.py" />
      <source>labels cannot be kept there: expected a folder that can be written to, got {path!r} ({err}). Choose another folder.</source>
      <translation>无法在该处保存标签：应为可写文件夹，实际为 {path!r}（{err}）。请另选文件夹。</translation>
    </message>
    <message>
      <location filename="../storage/disk_folders.py" />
      <source>labels have no place there: expected a new folder, or one with labels of this image that nobody has open, got {path!r}. Choose another name.</source>
      <translation>该处不能存放标签：应为新文件夹，或含本图像标签且未被打开的文件夹，实际为 {path!r}。请另取名称。</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>lassos</source>
      <translation>套索</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>layer is empty: expected labels above 0, got none in {name!r}. Choose another layer.</source>
      <translation>图层为空：应含大于 0 的标签，{name!r} 中没有。请选择其他图层。</translation>
    </message>
    <message>
      <location filename="../layers/shapes.py" />
      <source>layer is no region: expected shapes, or labels of shape {shape}, got {name!r}. Draw shapes over the image, or choose another layer.</source>
      <translation>该图层不是区域：应为形状，或大小为 {shape} 的标签，实际为 {name!r}。请在图像上绘制形状，或选择其他图层。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>layer is on another grid: expected that of {name!r}, shape {shape}, got shape {shape2} of {name2!r}. Resample it onto the image first.</source>
      <translation>图层网格不同：应与 {name!r} 相同，大小 {shape}，实际 {name2!r} 大小为 {shape2}。请先重采样到图像网格。</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>less noise</source>
      <translation>降噪</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>level </source>
      <translation>窗位 </translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>level and width</source>
      <translation>窗位和窗宽</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>liver</source>
      <translation>肝</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>localizer</source>
      <translation>定位像</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>locked</source>
      <translation>已锁定</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>lung</source>
      <translation>肺</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>magenta</source>
      <translation>品红</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>mask</source>
      <translation>掩膜</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>mediastinum</source>
      <translation>纵隔</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>model is not there yet: expected one that is loaded, got none. Wait until it is, then take the object again.</source>
      <translation>模型尚未就绪：应为已加载的模型。请等待加载完成后再次取用对象。</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>name</source>
      <translation>名称</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>neck</source>
      <translation>颈部</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>needs the extra {extra!r}</source>
      <translation>需要附加组件 {extra!r}</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>neighbouring planes as colours</source>
      <translation>相邻层面作为颜色</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>neighbours follow</source>
      <translation>相邻顶点跟随</translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>no image is worked on: expected one that is chosen, got none. Choose an image first.</source>
      <translation>当前没有处理任何图像。请先选择一幅图像。</translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>no words</source>
      <translation>不需要文字</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>none</source>
      <translation>无</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>nothing to learn from: expected at least {least} finished objects of 40 pixels, got {count}. Finish some more.</source>
      <translation>没有可学习的内容：需要至少 {least} 个 40 像素以上的已完成对象，现有 {count} 个。请再完成一些。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>object is not there: expected a label of {name!r} at this time point, got {label!r}. Hover over the object to see its label.</source>
      <translation>对象不存在：应为 {name!r} 在此时间点的标签，实际为 {label!r}。将鼠标移到对象上可查看其标签。</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>object {label}</source>
      <translation>对象 {label}</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>object {label} cannot be drawn: expected a number of at most {most}, which is what {name!r} can hold. Give it a smaller number.</source>
      <translation>无法绘制对象 {label}：编号最多为 {most}，这是 {name!r} 的上限。请使用较小的编号。</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>object {label}: {n} points</source>
      <translation>对象 {label}：{n} 个点</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>off</source>
      <translation>关</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>on all planes</source>
      <translation>所有层面</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>one image</source>
      <translation>单幅图像</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>only A, {name}</source>
      <translation>仅 A，{name}</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>only B, {name}</source>
      <translation>仅 B，{name}</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>only planes</source>
      <translation>仅层面</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>open</source>
      <translation>进行中</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>percentiles</source>
      <translation>百分位</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>percentiles from to</source>
      <translation>百分位范围</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>pixels</source>
      <translation>像素</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>pixels in disagreement over planes</source>
      <translation>各层面不一致的像素</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>plane {axis} = {number}</source>
      <translation>层面 {axis} = {number}</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>ready</source>
      <translation>就绪</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>red</source>
      <translation>红</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>remote …</source>
      <translation>远程 …</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>scribbles</source>
      <translation>涂画</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>second look between clicks</source>
      <translation>点击之间再看一次</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>several answers</source>
      <translation>多个结果</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>share, the surest has them</source>
      <translation>共享，归最有把握者</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>show what the model sees</source>
      <translation>显示模型所见</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>size</source>
      <translation>大小</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>smooth outline (level set)</source>
      <translation>平滑轮廓（水平集）</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>soft tissue</source>
      <translation>软组织</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>spine</source>
      <translation>脊柱</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>stroke</source>
      <translation>卒中</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>subdural</source>
      <translation>硬膜下</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>temporal bone</source>
      <translation>颞骨</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>the model</source>
      <translation>模型</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>this plane</source>
      <translation>此层面</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>time points</source>
      <translation>时间点</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>time points, planes</source>
      <translation>时间点、层面</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>time {time}</source>
      <translation>时间点 {time}</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>time {time}: {after} appears</source>
      <translation>时间 {time}：{after} 出现</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>time {time}: {before} divides into {after}</source>
      <translation>时间 {time}：{before} 分裂为 {after}</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>time {time}: {before} ends</source>
      <translation>时间 {time}：{before} 结束</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>time {time}: {before} goes on as {after}</source>
      <translation>时间 {time}：{before} 继续为 {after}</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>time {time}: {before} merge into {after}</source>
      <translation>时间 {time}：{before} 合并为 {after}</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>tls://HOST:PORT with certificates, or tcp://127.0.0.1:PORT through a tunnel.</source>
      <translation>使用证书时为 tls://HOST:PORT；通过隧道时为 tcp://127.0.0.1:PORT。</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>to </source>
      <translation>到 </translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>to add by hand</source>
      <translation>需手动添加</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>to fetch</source>
      <translation>可下载</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>tracks (Cell Tracking Challenge)</source>
      <translation>轨迹 (Cell Tracking Challenge)</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>training ended before its end: {why} What it said is in {path}.</source>
      <translation>训练提前结束：{why} 其输出在 {path} 中。</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>volume (planes)</source>
      <translation>体数据（层面）</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>what both say</source>
      <translation>两者的交集</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>what either say</source>
      <translation>两者的并集</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>what to look for, if the model takes words</source>
      <translation>要查找的内容（若模型接受文字）</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>width </source>
      <translation>窗宽 </translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>words to look for</source>
      <translation>要查找的文字</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>yellow</source>
      <translation>黄</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>{axis} = {number}: {sure:.0f} % sure</source>
      <translation>{axis} = {number}：把握 {sure:.0f} %</translation>
    </message>
    <message>
      <location filename="../controllers/clicks.py" />
      <source>{count} masks</source>
      <translation>{count} 个掩膜</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>{count} objects taken from {name}. Click to correct.</source>
      <translation>已从 {name} 取用 {count} 个对象。点击即可修正。</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>{doing}: %v of %m</source>
      <translation>{doing}：%v/%m</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>{doing}: %v of %m objects</source>
      <translation>{doing}：%v/%m 个对象</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>{doing}: %v of %m places</source>
      <translation>{doing}：%v/%m 处</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>{doing}: %v of %m planes</source>
      <translation>{doing}：%v/%m 个层面</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>{doing}: %v of %m time points</source>
      <translation>{doing}：%v/%m 个时间点</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>{fewer:.1f} clicks fewer on your data ({before:.1f} → {after:.1f}, {n} objects held out).</source>
      <translation>在您的数据上少 {fewer:.1f} 次点击（{before:.1f} → {after:.1f}，留出 {n} 个对象）。</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>{name!r} is worked on in another panel, so this one has layers of its own.</source>
      <translation>{name!r} 正在另一面板中处理，因此本面板使用自己的图层。</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>{name} and truth</source>
      <translation>{name} 与参考</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>{name} exists already. Replace it?</source>
      <translation>{name} 已存在。是否替换？</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>{name} goes on from the mask of {name2}. The next click corrects it.</source>
      <translation>{name} 从 {name2} 的掩膜继续。下一次点击将对其修正。</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>{name} is not the image that is worked on, so it is not done. Wait until it is there, choose it as Image, or open it again from All images; Skip leaves it out.</source>
      <translation>{name} 不是当前处理的图像，因此未标为完成。请等待其打开，将其选为图像，或从“所有图像”重新打开；“跳过”会略过它。</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>{name} is ready at {address}.</source>
      <translation>{name} 已在 {address} 就绪。</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>{name} is ready.</source>
      <translation>{name} 已就绪。</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>{name} is skipped: what was done on it is not saved, but kept until the window closes. Open it from All images to go on with it.</source>
      <translation>已跳过 {name}：对其所做的工作未保存，但会保留到窗口关闭。可从“所有图像”中打开它继续。</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>{name} is there, and the work here did not begin with it, so it is not replaced. Move it away to save the labels in its place.</source>
      <translation>{name} 已存在，而此处的工作并非从它开始，因此不会替换它。请将其移走，以便在该位置保存标签。</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>{name} needs {needs}, which is not installed.</source>
      <translation>{name} 需要 {needs}，尚未安装。</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>{name} takes no {tool}: choose one of {tools}, or another model.</source>
      <translation>{name} 不接受 {tool}：请选择 {tools}，或更换模型。</translation>
    </message>
    <message>
      <location filename="../compare/pair.py" />
      <source>{name}: {error}</source>
      <translation>{name}：{error}</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>{number} of {count}</source>
      <translation>{number}/{count}</translation>
    </message>
    <message>
      <location filename="../controllers/clicks.py" />
      <source>{number} of {count} · score {score:.2f}</source>
      <translation>第 {number} 个，共 {count} 个 · 评分 {score:.2f}</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>{n} box</source>
      <translation>{n} 个方框</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>{n} boxes</source>
      <translation>{n} 个方框</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>{n} click</source>
      <translation>{n} 次点击</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>{n} click suggested. Undo takes back one at a time.</source>
      <translation>已建议 {n} 次点击。撤销会逐个取消。</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>{n} click suggested; the model is content, or unsure now. Undo takes back one at a time.</source>
      <translation>已建议 {n} 次点击；模型现已满意或无把握。撤销会逐个取消。</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>{n} click waits.</source>
      <translation>{n} 次点击在等待。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>{n} clicks</source>
      <translation>{n} 次点击</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>{n} clicks suggested. Undo takes back one at a time.</source>
      <translation>已建议 {n} 次点击。撤销会逐个取消。</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>{n} clicks suggested; the model is content, or unsure now. Undo takes back one at a time.</source>
      <translation>已建议 {n} 次点击；模型现已满意或无把握。撤销会逐个取消。</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>{n} clicks wait.</source>
      <translation>{n} 次点击在等待。</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>{n} difference.</source>
      <translation>{n} 处差异。</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>{n} differences.</source>
      <translation>{n} 处差异。</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>{n} done</source>
      <translation>已完成 {n}</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>{n} finished objects to learn from.</source>
      <translation>可供学习的已完成对象：{n} 个。</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>{n} image with labels copied to {name}.</source>
      <translation>已将 {n} 幅带标签的图像复制到 {name}。</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>{n} images with labels copied to {name}.</source>
      <translation>已将 {n} 幅带标签的图像复制到 {name}。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>{n} lasso</source>
      <translation>{n} 个套索</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>{n} lassos</source>
      <translation>{n} 个套索</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>{n} more finished object is needed: {have} of {least}.</source>
      <translation>还需 {n} 个已完成对象：{have} / {least}。</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>{n} more finished objects are needed: {have} of {least}.</source>
      <translation>还需 {n} 个已完成对象：{have} / {least}。</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>{n} more object found so far.</source>
      <translation>目前又找到 {n} 个对象。</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>{n} more object found.</source>
      <translation>又找到 {n} 个对象。</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>{n} more objects found so far.</source>
      <translation>目前又找到 {n} 个对象。</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>{n} more objects found.</source>
      <translation>又找到 {n} 个对象。</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>{n} objects are accepted.</source>
      <translation>{n} 个对象已接受。</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>{n} objects are open again.</source>
      <translation>{n} 个对象已重新打开。</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>{n} open image is in order, the least sure first.</source>
      <translation>{n} 幅未完成图像已排序，最无把握者在前。</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>{n} open images are in order, the least sure first.</source>
      <translation>{n} 幅未完成图像已排序，最无把握者在前。</translation>
    </message>
    <message>
      <location filename="../controllers/session_store.py" />
      <source>{n} other parts of the answer, {size:,} px, have no click: right-click on what is not meant.</source>
      <translation>结果中另有 {n} 个部分（{size:,} px）没有点击：请右键点击不需要的部分。</translation>
    </message>
    <message>
      <location filename="../layers/labels_layer.py" />
      <source>{n} pixel is protected and put back: locked objects keep theirs, and nothing is written outside a region. Unlock the object, or switch the limit off.</source>
      <translation>{n} 个像素受保护并已还原：锁定的对象保留其像素，区域之外不写入。请解锁对象或取消限制。</translation>
    </message>
    <message>
      <location filename="../layers/labels_layer.py" />
      <source>{n} pixels are protected and put back: locked objects keep theirs, and nothing is written outside a region. Unlock the object, or switch the limit off.</source>
      <translation>{n} 个像素受保护并已还原：锁定的对象保留其像素，区域之外不写入。请解锁对象或取消限制。</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>{n} pixels of object {label}</source>
      <translation>对象 {label} 的 {n} 个像素</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>{n} plane</source>
      <translation>{n} 个层面</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>{n} planes</source>
      <translation>{n} 个层面</translation>
    </message>
    <message>
      <location filename="../layers/points_codec.py" />
      <source>{n} point lies outside the image and cannot be used. Move or delete it.</source>
      <translation>{n} 个点位于图像之外，无法使用。请移动或删除。</translation>
    </message>
    <message>
      <location filename="../layers/points_codec.py" />
      <source>{n} points lie outside the image and cannot be used. Move or delete them.</source>
      <translation>{n} 个点位于图像之外，无法使用。请移动或删除。</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>{n} scribble</source>
      <translation>{n} 条涂画</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>{n} scribbles</source>
      <translation>{n} 条涂画</translation>
    </message>
    <message>
      <location filename="../layers/points_codec.py" />
      <source>{n} shape lies outside the image and cannot be used. Move or delete it.</source>
      <translation>{n} 个形状位于图像之外，无法使用。请移动或删除。</translation>
    </message>
    <message>
      <location filename="../layers/points_codec.py" />
      <source>{n} shapes lie outside the image and cannot be used. Move or delete them.</source>
      <translation>{n} 个形状位于图像之外，无法使用。请移动或删除。</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>{n} time points</source>
      <translation>{n} 个时间点</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>{seconds:.0f} s each</source>
      <translation>每个 {seconds:.0f} 秒</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>{sign} left click: {meaning}.</source>
      <translation>{sign} 左键：{meaning}。</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>{sign} right click, or {modifier} + left click: {meaning}.</source>
      <translation>{sign} 右键，或 {modifier} + 左键：{meaning}。</translation>
    </message>
    <message>
      <location filename="../controllers/propagation.py" />
      <source>{some} of {count} objects propagated, {planes} in all.</source>
      <translation>已传播 {some}/{count} 个对象，共 {planes}。</translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>{title} cannot be asked like that: expected {rule}, got {words!r}. Change what stands under Words.</source>
      <translation>不能这样向 {title} 提问：应为{rule}，实际为 {words!r}。请修改“文字”一栏。</translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>{title} found nothing.</source>
      <translation>{title} 没有找到任何对象。</translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>{title} found {count} objects so far.</source>
      <translation>{title} 目前找到 {count} 个对象。</translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>{title} found {count} objects.</source>
      <translation>{title} 找到 {count} 个对象。</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>{title} – needs the extra {extra!r}</source>
      <translation>{title} – 需要附加组件 {extra!r}</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>{title} – weights to fetch or add</source>
      <translation>{title} – 需下载或添加权重</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>{title} – {size} to fetch or add</source>
      <translation>{title} – 需下载或添加 {size}</translation>
    </message>
    <message>
      <location filename="../layers/labels_layer.py" />
      <source>{title}: done by hand.</source>
      <translation>{title}：已手动完成。</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>{tracks} tracks. Divisions: {divisions}, merges: {merges}, appear: {new}, end: {ended}. The tip of the button lists them.</source>
      <translation>{tracks} 条轨迹。分裂：{divisions}，合并：{merges}，出现：{new}，结束：{ended}。按钮的提示中列出全部。</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>{used} of {limit} in {folder}</source>
      <translation>{folder} 中已用 {used}，上限 {limit}</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>{where}: answered in {ms:.0f} ms.</source>
      <translation>{where}：{ms:.0f} ms 应答。</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>{where}: answered in {s:.1f} s.</source>
      <translation>{where}：{s:.1f} s 应答。</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>{why}, so work on it has ended. Open an image to begin.</source>
      <translation>{why}，相关工作随之结束。请打开一幅图像以开始。</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>{why}, so work on it has ended. Press New object to start again.</source>
      <translation>{why}，相关工作随之结束。请按“新建对象”重新开始。</translation>
    </message>
  </context>
  <context>
    <name>napari-intseg engine</name>
    <message>
      <location filename="../messages.py" />
      <source>1 more extreme point</source>
      <translation>还需 1 个极值点</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Add clicks</source>
      <translation>添加点击</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Add lasso</source>
      <translation>添加套索</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Add scribble</source>
      <translation>添加涂画</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>COCO cannot hold these labels: expected one plane, got shape {shape}. Write .geojson, .tif or .nii.gz instead, or save one plane.</source>
      <translation>COCO 无法存放这些标签：应为一个层面，实际大小为 {shape}。请改写 .geojson、.tif 或 .nii.gz，或只保存一个层面。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Change detail</source>
      <translation>更改细节</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Change lasso</source>
      <translation>更改套索</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Change prompts</source>
      <translation>更改提示</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Change protection</source>
      <translation>更改保护</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Change scribble</source>
      <translation>更改涂画</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Choose mask</source>
      <translation>选择掩膜</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Clean up</source>
      <translation>清理</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Click on the object, and beside it where the answer is too large.</source>
      <translation>点击对象；若结果过大，点击其外。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Click the four extreme points of the object: top, bottom, left and right, in any order. Further ones refine the answer.</source>
      <translation>点击对象的四个极值点：上、下、左、右，顺序不限。更多点可细化结果。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Draw a box round the object, then click inside it; further clicks correct.</source>
      <translation>先框住对象，再在其内点击；更多点击用于修正。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Draw a box round the object; it need not be tight.</source>
      <translation>框住对象；不必很紧。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Drop painted pixels</source>
      <translation>放弃手绘像素</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Edit outline</source>
      <translation>编辑轮廓</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Erase</source>
      <translation>擦除</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Find more</source>
      <translation>查找更多</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Finish object</source>
      <translation>接受对象</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Follow through time</source>
      <translation>随时间跟踪</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Link through time</source>
      <translation>随时间关联</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Lock object</source>
      <translation>锁定对象</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Mark the object by {kinds}; combine them as you like.</source>
      <translation>用{kinds}标出对象；可任意组合。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Merge objects</source>
      <translation>合并对象</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Move click</source>
      <translation>移动点击</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Negative click</source>
      <translation>负点击</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>New object</source>
      <translation>新建对象</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>PNG cannot hold these labels: expected one plane with labels up to 65535, got shape {shape} up to {highest}. Write .tif or .nii.gz instead, or a file for each plane with a name like labels_%03d.png.</source>
      <translation>PNG 无法存放这些标签：应为一个层面且标签不超过 65535，实际大小为 {shape}，最大为 {highest}。请改写 .tif 或 .nii.gz，或用 labels_%03d.png 这样的名称为每个层面写一个文件。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Paint</source>
      <translation>绘制</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Positive click</source>
      <translation>正点击</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Propagate</source>
      <translation>传播</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Propagate all</source>
      <translation>全部传播</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Redo {title} of object {label}</source>
      <translation>重做对象 {label} 的{title}</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Remove box</source>
      <translation>移除方框</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Remove click</source>
      <translation>移除点击</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Remove clicks</source>
      <translation>移除点击</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Renumber object</source>
      <translation>更改编号</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Reopen object</source>
      <translation>重新打开对象</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Set box</source>
      <translation>设置方框</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Set initial mask</source>
      <translation>设置起始掩膜</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Share corrections</source>
      <translation>共享修正</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Split object</source>
      <translation>拆分对象</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Suggested click</source>
      <translation>建议的点击</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Take objects</source>
      <translation>取用对象</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Take over pixels</source>
      <translation>取用像素</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Undo {title} of object {label}</source>
      <translation>撤销对象 {label} 的{title}</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Unlock object</source>
      <translation>解锁对象</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>a box round the object</source>
      <translation>框住对象的方框</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>a box round the object and a click inside the box</source>
      <translation>框住对象的方框和框内的一次点击</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>a click inside the box</source>
      <translation>框内的一次点击</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>a positive click</source>
      <translation>一次正点击</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>answered in 3-D: 1 plane</source>
      <translation>三维回答：1 个层面</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>answered in 3-D: {n} planes</source>
      <translation>三维回答：{n} 个层面</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>clicks or a box round it</source>
      <translation>点击或方框</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>clicks or scribbles</source>
      <translation>点击或涂画</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>clicks, a box round it or scribbles</source>
      <translation>点击、方框或涂画</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>clicks, a box round it, scribbles or lassos</source>
      <translation>点击、方框、涂画或套索</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>data is empty: expected at least one pixel along each axis, got shape {shape} in {path}. Open another image.</source>
      <translation>数据为空：每个轴上应至少有一个像素，{path} 的大小为 {shape}。请打开其他图像。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>data is not numeric: expected bool, integer or float, got {dtype} in {path}. Convert it first.</source>
      <translation>数据不是数值：应为布尔、整数或浮点数，{path} 中为 {dtype}。请先转换。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file cannot be read: expected a video, got {what} in {path}. Check that it is complete and of the type that its name says.</source>
      <translation>无法读取文件：应为视频，实际为 {path} 中的 {what}。请检查文件是否完整，类型是否与名称相符。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file cannot be read: expected an image, got {path} ({reason}). Check that it is complete and of the type that its name says.</source>
      <translation>无法读取文件：应为图像，实际为 {path}（{reason}）。请检查文件是否完整，类型是否与名称相符。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file cannot be read: expected pixels, got a damaged piece in {path} ({reason}). Check that it is complete.</source>
      <translation>无法读取文件：应为像素，{path} 中有一块已损坏（{reason}）。请检查文件是否完整。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file cannot be written: expected a folder that allows it, got {path} ({reason}). Change its permissions, or choose another folder. What was there before is there still.</source>
      <translation>无法写入文件：应为允许写入的文件夹，实际为 {path}（{reason}）。请更改其权限，或另选文件夹。原有内容仍在。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file cannot be written: expected room for it, got {path} ({reason}). Free some space, or choose another folder. What was there before is there still.</source>
      <translation>无法写入文件：应有足够空间，实际为 {path}（{reason}）。请腾出空间，或另选文件夹。原有内容仍在。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file has more axes than a volume: expected planes, rows, columns and channels, got axes {axes} of shape {shape} in {path}. Save one volume to its own file.</source>
      <translation>文件的轴多于一个体数据：应为层面、行、列和通道，{path} 的轴为 {axes}，大小为 {shape}。请将一个体数据单独保存为文件。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file has more axes than a volume: expected time, channel, plane, row and column once each, got axes {axes} of shape {shape} in {path}. Save one volume to its own file.</source>
      <translation>文件的轴多于一个体数据：时间、通道、层面、行和列应各出现一次，{path} 的轴为 {axes}，大小为 {shape}。请将一个体数据单独保存为文件。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file has too many channels: expected at most {most}, each of which is a layer, got {count} in {path}. Save some of them to a file of their own.</source>
      <translation>文件通道过多：最多 {most} 个，每个为一个图层，{path} 有 {count} 个。请将其中一部分另存为文件。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file is missing: expected an image, got {path}. Check the path.</source>
      <translation>文件不存在：应为图像，实际为 {path}。请检查路径。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file type cannot hold labels: expected a name ending in {endings}, got {path}. Choose another name.</source>
      <translation>该文件类型无法存放标签：名称应以 {endings} 结尾，实际为 {path}。请另取名称。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file type is unknown: expected a name ending in {endings}, got {path}. Choose another name.</source>
      <translation>未知的文件类型：名称应以 {endings} 结尾，实际为 {path}。请另取名称。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file type is unknown: expected a name ending in {endings}, or a folder with a DICOM series, got {path}. Convert the image first.</source>
      <translation>未知的文件类型：名称应以 {endings} 结尾，或为含 DICOM 序列的文件夹，实际为 {path}。请先转换图像。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>folder is missing: expected an existing folder, got {path}. Make it first.</source>
      <translation>文件夹不存在：应为已有的文件夹，实际为 {path}。请先创建。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>half precision gave no numbers: computed in float32</source>
      <translation>半精度未得到数值：改用 float32 计算</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>it grew {amount}</source>
      <translation>增长了 {amount}</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>it grew {amount} beyond what its outline can have reached</source>
      <translation>增长了 {amount}，超出其轮廓所能到达的范围</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>journal cannot be written: expected a folder that allows it, got {path} ({reason}). The labels are there; save them to another folder to have both.</source>
      <translation>无法写入日志：应为允许写入的文件夹，实际为 {path}（{reason}）。标签已写入；请另存到其他文件夹以同时保留两者。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>layer has more axes than a series: expected time, planes, rows and columns, got shape {shape}. Split it first (Layers › Split stack), and save one at a time.</source>
      <translation>图层的轴多于一个序列：应为时间、层面、行和列，实际大小为 {shape}。请先拆分（Layers › Split stack），再逐个保存。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>memory ran out: computed {how}</source>
      <translation>内存不足：以 {how} 方式计算</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>not started from plane {plane}: {why}</source>
      <translation>未从层面 {plane} 开始：{why}</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>object {label}: {why}</source>
      <translation>对象 {label}：{why}</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>output is an input: expected another file than those that are read, got {path}, which is or belongs to {input}. Choose another name; what is read is never replaced.</source>
      <translation>输出是输入文件：应为未被读取的文件，实际为 {path}，它是或属于 {input}。请另取名称；被读取的内容永不被替换。</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>stopped at plane {plane}: {why}</source>
      <translation>停止于层面 {plane}：{why}</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>the answer jumped to something else</source>
      <translation>结果跳到了其他结构</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>the mask there covers the slice</source>
      <translation>该处掩膜覆盖了整个层面</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>the mask there does not fit those of the other clicked planes</source>
      <translation>该处掩膜与其他点击层面的不符</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>{n} more extreme points</source>
      <translation>还需 {n} 个极值点</translation>
    </message>
  </context>
  <context>
    <name>QPlatformTheme</name>
    <message>
      <location filename="../qt/translation.py" />
      <source>&amp;No</source>
      <translation>否(&amp;N)</translation>
    </message>
    <message>
      <location filename="../qt/translation.py" />
      <source>&amp;Yes</source>
      <translation>是(&amp;Y)</translation>
    </message>
    <message>
      <location filename="../qt/translation.py" />
      <source>Cancel</source>
      <translation>取消</translation>
    </message>
    <message>
      <location filename="../qt/translation.py" />
      <source>OK</source>
      <translation>确定</translation>
    </message>
    <message>
      <location filename="../qt/translation.py" />
      <source>Open</source>
      <translation>打开</translation>
    </message>
    <message>
      <location filename="../qt/translation.py" />
      <source>Save</source>
      <translation>保存</translation>
    </message>
  </context>
</TS>
